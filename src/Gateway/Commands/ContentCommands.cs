using System.CommandLine;
using Gateway.Operations;
using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Commands;

/// <summary><c>gateway repos</c>, <c>gateway tags</c> and <c>gateway delete</c>: stored content by name.</summary>
internal static class ContentCommands
{
    public static Command Repositories()
    {
        var pattern = new Argument<string>("PATTERN")
        {
            Description = "Glob for names, such as 'team/*'; ** matches slashes too.", DefaultValueFactory = _ => "**",
        };
        return AdminCommand.Create("repos", "Lists the repositories that are stored, fronted or cached here.", [pattern], async call =>
        {
            var wanted = call.Value(pattern);
            await foreach (var each in call.Gateway.ListAsync(AdminCalls.Repositories, null, call.CancellationToken))
            {
                if (!Glob.IsMatch(wanted, each.Name)) continue;
                var line = each.Source is { } source ? $"{each.Name}  from {source}" : each.Name;
                await call.WriteAsync(each, AdminJson.Default.ListedRepository, line);
            }
            return 0;
        });
    }

    public static Command Tags()
    {
        var repository = new Argument<string>("REPOSITORY") { Description = "The name that clients use, without the gateway's host." };
        return AdminCommand.Create("tags", "Lists the tags of a repository, including held ones.", [repository], async call =>
        {
            var query = $"?repository={Uri.EscapeDataString(call.Value(repository))}";
            await foreach (var each in call.Gateway.ListAsync(AdminCalls.Tags, query, call.CancellationToken))
                await call.WriteAsync(each, AdminJson.Default.ListedTag, each.Tag);
            return 0;
        });
    }

    public static Command Delete()
    {
        var reference = new Argument<string>("REFERENCE")
        {
            Description = "repository:tag removes the tag; repository@digest removes the manifest and every tag bound to it.",
        }.Expecting("repository:tag or repository@digest", static text => WrittenReference.Parse(text) is { What: not null });
        var force = new Option<bool>("--force") { Description = "Also delete evidence that admits other content." };
        const string description = "Deletes a tag or manifest that clients pushed; use 'purge' for cached content.";
        return AdminCommand.Create("delete", description, [reference, force], async call =>
        {
            var request = new DeleteRequest(call.Value(reference), call.Value(force));
            var result = await call.PostAsync(AdminCalls.Delete, request);
            return await call.WriteResultAsync(
                result, AdminJson.Default.DeleteResult,
                result.Problem is { } problem ? $"{request.Reference} was not deleted: {problem}" : null,
                $"deleted {result.Reference} ({result.Digest})");
        });
    }
}
