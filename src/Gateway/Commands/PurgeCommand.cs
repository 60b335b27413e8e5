using System.CommandLine;
using System.Text.Json;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway purge</c>: removes cached content, so that the next pull fetches it again.</summary>
internal static class PurgeCommand
{
    public static Command Create()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var what = new Argument<string>("WHAT")
        {
            Description = "An image by tag or digest, a repository, a digest, an upstream, or a glob such as 'docker.io/library/*'.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only print what would be removed." };
        var command = new Command("purge", "Removes cached content; pushed content stays.")
        {
            what, dryRun, asked.Config, asked.Server, json,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            var request = new PurgeRequest(parsed.GetValue(what)!, parsed.GetValue(dryRun));
            var invocation = parsed.InvocationConfiguration;
            return AdminCommand.RunAsync(
                parsed, asked,
                async gateway => await PrintAsync(invocation, parsed.GetValue(json), await gateway.PostAsync(
                    AdminCalls.Purge, request, cancellationToken)),
                async (options, volume) => await PrintAsync(invocation, parsed.GetValue(json), await Purge.RunAsync(
                    volume.CachedRepositories, AdminCommand.NamesOnly(options, volume), request, cancellationToken)));
        });
        return command;
    }

    private static async Task<int> PrintAsync(InvocationConfiguration invocation, bool asJson, PurgeResult result)
    {
        var output = invocation.Output;
        if (asJson) await output.WriteLineAsync(JsonSerializer.Serialize(result, AdminJson.Default.PurgeResult));
        else
        {
            foreach (var each in result.Purged)
                await output.WriteLineAsync($"{AdminCommand.Bytes(each.Bytes),12}  {each.Name}  ({each.Contents} blobs and manifests)");
            if (result.Problem is null)
                await output.WriteLineAsync($"{(result.DryRun ? "would purge" : "purged")} {AdminCommand.Bytes(result.Bytes)}");
        }
        foreach (var replica in result.Unconfirmed ?? [])
            await invocation.Error.WriteLineAsync($"gateway: replica {replica} did not confirm; it purges when it can be reached again");
        if (result.Problem is { } problem) await invocation.Error.WriteLineAsync($"gateway: {problem}");
        return result.Problem is null ? 0 : 1;
    }
}
