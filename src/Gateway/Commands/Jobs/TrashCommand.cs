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
        const string description = "Lists removed manifests and tags, the latest first; --json also lists links and bytes.";
        return AdminCommand.Create("list", description, [], async call =>
        {
            var (count, bytes) = (0L, 0L);
            await foreach (var item in call.Gateway.ListAsync(AdminCalls.Trash, null, call.CancellationToken))
            {
                (count, bytes) = (count + 1, bytes + item.Bytes);
                if (call.AsJson || item.What is "manifest" or "tag")
                    await call.WriteAsync(item, AdminJson.Default.TrashedItem, Line(item));
            }
            if (!call.AsJson) await call.Output.WriteLineAsync($"{count} removed items, {AdminCommand.Bytes(bytes)}");
            return 0;
        });
    }

    private static string Line(TrashedItem item) =>
        $"{item.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)}  {item.What,-8}  {item.Name}"
        + (item.BoundTo is { } digest ? $"  {digest}" : "");

    private const string NothingToRestore = "nothing to restore: the repository has each of its manifests that the trash lists; a deleted "
        + "tag comes back when you bind it (crane tag HOST/REPOSITORY@DIGEST TAG)";

    private static Command Restore()
    {
        var reference = new Argument<string>("REFERENCE")
        {
            Description = "repository@digest, or a repository for everything that was removed from it.",
        };
        const string description = "Brings back a manifest with its blobs and its evidence, without its tags.";
        return AdminCommand.Create("restore", description, [reference], async call =>
        {
            var result = await call.PostAsync(AdminCalls.Restore, new(call.Value(reference)));
            if (call.AsJson) await call.Output.WriteLineAsync(JsonSerializer.Serialize(result, AdminJson.Default.RestoreResult));
            else
            {
                foreach (var each in result.Restored) await call.Output.WriteLineAsync(Line(each));
                if (result.Restored.Count + result.Problems.Count == 0) await call.Output.WriteLineAsync(NothingToRestore);
            }
            foreach (var problem in result.Problems) await call.Error.WriteLineAsync($"gateway: {problem}");
            return result.Problems.Count == 0 ? 0 : 1;
        });
    }

    private static string Line(RestoredItem each) => $"restored {each.Repository}@{each.Digest} ({each.Blobs} blobs)"
        + (each.Tags.Count > 0 ? $"; it had the tags {string.Join(", ", each.Tags)}" : "");

    private static Command Empty() => AdminCommand.Create("empty", "Deletes everything in the trash now.", [], async call =>
    {
        var result = await call.PostAsync(AdminCalls.EmptyTrash, new());
        await call.WriteAsync(result, AdminJson.Default.EmptiedTrash, $"deleted {AdminCommand.Bytes(result.Bytes)}");
        return 0;
    });
}
