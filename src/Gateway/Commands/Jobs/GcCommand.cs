using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Storage;

namespace Gateway.Commands;

/// <summary><c>gateway gc</c>: a running gateway removes what nothing needs any more.</summary>
internal static class GcCommand
{
    /// <summary>The number of items that a dry run prints. Chosen: a screen; <c>--json</c> has all.</summary>
    private const int MaxPrinted = 40;

    public static Command Create()
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Only print what would be removed, and how many bytes." };
        var untagged = new Option<string?>("--untagged")
        {
            Description = "Also remove manifests that no tag, index or held push refers to, if they were pushed longer ago than this.",
            HelpName = "AGE",
        }.Expecting("a duration such as 30d", static text => Durations.TryParse(text, out _));
        return AdminCommand.Create("gc", "Removes content that nothing needs, while the gateway serves.", [dryRun, untagged], async call =>
        {
            var request = new GcRequest(call.Value(dryRun), call.Value(untagged));
            var job = await call.PostAsync(AdminCalls.Gc, request);
            return await JobFollower.FollowAsync(call, job, done => PrintAsync(call.Output, done));
        });
    }

    /// <summary>Prints the report of a collection.</summary>
    public static async Task PrintAsync(TextWriter output, Job job)
    {
        if (job.Result?.Deserialize(AdminJson.Default.CollectionReport) is not { } report) return;
        if (report.DryRun)
        {
            foreach (var item in report.Items.Take(MaxPrinted))
                await output.WriteLineAsync($"{AdminCommand.Bytes(item.Bytes),12}  {item.Root}  {item.What}  {item.Name}");
            if (report.Items.Count > MaxPrinted)
                await output.WriteLineAsync($"{"…",12}  and more; --json lists up to {CollectionReport.MaxItems}");
        }
        foreach (var line in Lines(report)) await output.WriteLineAsync(line);
    }

    private static IEnumerable<string> Lines(CollectionReport report)
    {
        var verb = report.DryRun ? "would remove" : "removed";
        foreach (var root in report.Roots)
        {
            yield return $"{root.Root}: {verb} {Count(root.Contents, "blob or manifest", "blobs and manifests")} "
                + $"({AdminCommand.Bytes(root.Bytes)}), {Count(root.Manifests, "link of a manifest", "links of manifests")}, "
                + Count(root.Links, "link of a blob", "links of blobs");
        }
        if (report.Uploads > 0) yield return $"{verb} {Count(report.Uploads, "expired upload session", "expired upload sessions")}";
        if (report.TrashBytes > 0) yield return $"{verb} {AdminCommand.Bytes(report.TrashBytes)} from the trash";
        if (report.Recent > 0)
            yield return $"kept {Count(report.Recent, "unneeded item", "unneeded items")}, used within the grace time (gc.grace)";
        foreach (var note in report.Notes) yield return note;
        yield return report.DryRun ? $"would free {AdminCommand.Bytes(report.Bytes)}"
            : $"freed {AdminCommand.Bytes(report.Bytes)}"
                + (report.Bytes == 0 || !report.HasTrash ? "" : "; pushed content goes to the trash first (gateway trash list)");
    }

    private static string Count(long count, string one, string many) =>
        $"{count.ToString(CultureInfo.InvariantCulture)} {(count == 1 ? one : many)}";
}
