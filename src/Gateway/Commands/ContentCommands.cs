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
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var pattern = new Argument<string>("PATTERN")
        {
            Description = "Glob for names, such as 'team/*'; ** matches slashes too.", DefaultValueFactory = _ => "**",
        };
        var command = new Command("repos", "Lists the repositories that are stored, fronted or cached here.")
        {
            pattern, asked.Config, asked.Server, json,
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var wanted = parsed.GetRequiredValue(pattern);
            var listed = gateway.ListAsync("repositories", AdminJson.Default.ListedRepository, cancellationToken);
            await foreach (var each in listed)
            {
                if (!Glob.IsMatch(wanted, each.Name)) continue;
                var line = each.Source is { } source ? $"{each.Name}  from {source}" : each.Name;
                await AdminCommand.WriteAsync(parsed, json, each, AdminJson.Default.ListedRepository, line);
            }
            return 0;
        }));
        return command;
    }

    public static Command Tags()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var repository = new Argument<string>("REPOSITORY") { Description = "The name that clients use, without the gateway's host." };
        var command = new Command("tags", "Lists the tags of a repository, including held ones.")
        {
            repository, asked.Config, asked.Server, json,
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var path = $"tags?repository={Uri.EscapeDataString(parsed.GetRequiredValue(repository))}";
            await foreach (var each in gateway.ListAsync(path, AdminJson.Default.ListedTag, cancellationToken))
                await AdminCommand.WriteAsync(parsed, json, each, AdminJson.Default.ListedTag, each.Tag);
            return 0;
        }));
        return command;
    }

    public static Command Delete()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var reference = new Argument<string>("REFERENCE")
        {
            Description = "repository:tag removes the tag; repository@digest removes the manifest and every tag bound to it.",
        }.Expecting("repository:tag or repository@digest", static text => WrittenReference.Parse(text) is { What: not null });
        var force = new Option<bool>("--force") { Description = "Also delete evidence that admits other content." };
        var command = new Command("delete", "Deletes a tag or manifest that clients pushed; use 'purge' for cached content.")
        {
            reference, force, asked.Config, asked.Server, json,
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var request = new DeleteRequest(parsed.GetRequiredValue(reference), parsed.GetValue(force));
            var result = await gateway.PostAsync(
                "delete", request, AdminJson.Default.DeleteRequest, AdminJson.Default.DeleteResult, cancellationToken);
            return await AdminCommand.WriteResultAsync(
                parsed, json, result, AdminJson.Default.DeleteResult,
                result.Problem is { } problem ? $"{request.Reference} was not deleted: {problem}" : null,
                $"deleted {result.Reference} ({result.Digest})");
        }));
        return command;
    }
}
