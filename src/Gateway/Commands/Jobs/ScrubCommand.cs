using System.CommandLine;
using System.Text.Json;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway scrub</c>: a running gateway reads everything that is stored, and compares it with its digests.</summary>
internal static class ScrubCommand
{
    public static Command Create() =>
        AdminCommand.Create("scrub", "Reads everything that is stored, and reports what is damaged or missing.", [], async call =>
        {
            var job = await call.PostAsync(AdminCalls.Scrub, new());
            return await JobFollower.FollowAsync(call, job, done => PrintAsync(call.Output, done), IsWhole);
        });

    /// <summary>Whether a scrub found nothing, or healed everything that it found.</summary>
    public static bool IsWhole(Job job) => job.Result?.Deserialize(AdminJson.Default.ScrubReport)?.IsWhole != false;

    public static async Task PrintAsync(TextWriter output, Job job)
    {
        if (job.Result?.Deserialize(AdminJson.Default.ScrubReport) is not { } report) return;
        foreach (var damaged in report.Damaged)
        {
            var fate = (damaged.IsHealed, damaged.Root) switch
            {
                (true, "cached") => "fetched again",
                (true, _) => "healed",
                (false, "cached") => $"removed; the next pull fetches it again ({damaged.WhyNotHealed})",
                _ => $"set aside ({damaged.WhyNotHealed})",
            };
            await output.WriteLineAsync($"{damaged.Root} {damaged.Digest} ({AdminCommand.Bytes(damaged.Bytes)}): {damaged.Why}; {fate}");
            foreach (var need in damaged.NeededBy)
            {
                var tags = need.Tags.Count > 0 ? $" ({string.Join(", ", need.Tags)})" : "";
                await output.WriteLineAsync($"  needed by {need.Repository}@{need.Digest}{tags}");
            }
            if (damaged is { IsHealed: false, Root: not "cached" })
                await output.WriteLineAsync("  to heal it, push the image again, or restore it from a backup");
        }
        foreach (var problem in report.Problems) await output.WriteLineAsync(problem);
        if (report.Unlisted > 0) await output.WriteLineAsync($"and {report.Unlisted} more");
        await output.WriteLineAsync(
            $"read {report.Contents} blobs and manifests, {AdminCommand.Bytes(report.Bytes)}: "
            + (report.IsWhole ? "everything is whole" : $"{report.Damaged.Count} damaged, {report.Problems.Count} problems of links"));
    }
}
