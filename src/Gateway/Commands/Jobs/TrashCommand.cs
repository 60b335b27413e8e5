using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Operations;
using Gateway.Storage;

namespace Gateway.Commands;

/// <summary><c>gateway trash</c>: lists removed content, brings it back, or deletes it.</summary>
internal static class TrashCommand
{
    public static Command Create() => new("trash", "Lists removed content, brings it back, or deletes it.")
    {
        List(), Restore(), Empty(),
    };

    private static Command List()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var command = new Command("list", "Lists removed manifests and tags, the latest first; --json also lists links and bytes.")
        {
            asked.Config, asked.Server, json,
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var (count, bytes) = (0L, 0L);
            await foreach (var item in gateway.ListAsync("trash", AdminJson.Default.TrashedItem, cancellationToken))
            {
                (count, bytes) = (count + 1, bytes + item.Bytes);
                if (parsed.GetValue(json) || item.What is "manifest" or "tag")
                    await AdminCommand.WriteAsync(parsed, json, item, AdminJson.Default.TrashedItem, Line(item));
            }
            if (!parsed.GetValue(json))
                await parsed.InvocationConfiguration.Output.WriteLineAsync($"{count} removed items, {AdminCommand.Bytes(bytes)}");
            return 0;
        }));
        return command;
    }

    private static string Line(TrashedItem item) =>
        $"{item.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)}  {item.What,-8}  {item.Name}"
        + (item.BoundTo is { } digest ? $"  {digest}" : "");

    private const string NothingToRestore = "nothing to restore: the repository has each of its manifests that the trash lists; a deleted "
        + "tag comes back when you bind it (crane tag HOST/REPOSITORY@DIGEST TAG)";

    private static Command Restore()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var reference = new Argument<string>("REFERENCE")
        {
            Description = "repository@digest, or a repository for everything that was removed from it.",
        };
        var command = new Command("restore", "Brings back a manifest with its blobs and its evidence, without its tags.")
        {
            reference, asked.Config, asked.Server, json,
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var result = await gateway.PostAsync(
                "trash/restore", new(parsed.GetRequiredValue(reference)), AdminJson.Default.RestoreRequest, AdminJson.Default.RestoreResult,
                cancellationToken);
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            if (parsed.GetValue(json)) await output.WriteLineAsync(JsonSerializer.Serialize(result, AdminJson.Default.RestoreResult));
            else
            {
                foreach (var each in result.Restored) await output.WriteLineAsync(Line(each));
                if (result.Restored.Count + result.Problems.Count == 0) await output.WriteLineAsync(NothingToRestore);
            }
            foreach (var problem in result.Problems) await error.WriteLineAsync($"gateway: {problem}");
            return result.Problems.Count == 0 ? 0 : 1;
        }));
        return command;
    }

    private static string Line(RestoredItem each) => $"restored {each.Repository}@{each.Digest} ({each.Blobs} blobs)"
        + (each.Tags.Count > 0 ? $"; it had the tags {string.Join(", ", each.Tags)}" : "");

    private static Command Empty()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var command = new Command("empty", "Deletes everything in the trash now.") { asked.Config, asked.Server, json };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var result = await gateway.PostAsync(
                "trash/empty", new(), AdminJson.Default.EmptyRequest, AdminJson.Default.EmptiedTrash, cancellationToken);
            await AdminCommand.WriteAsync(
                parsed, json, result, AdminJson.Default.EmptiedTrash, $"deleted {AdminCommand.Bytes(result.Bytes)}");
            return 0;
        }));
        return command;
    }
}
