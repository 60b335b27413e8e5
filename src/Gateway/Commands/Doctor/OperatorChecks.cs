using System.Globalization;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Operations.ReadModels;

namespace Gateway.Commands.Doctor;

/// <summary>What the gateway itself says on its operator port: readiness, warnings, disk, clock and upstreams.</summary>
internal static class OperatorChecks
{
    // Room for this many times cache.keepFree: below that, a few large images make the cache pass content through.
    private const int LowRoom = 2;

    // Seconds. The gateway's own steady clock holds time still until the system's catches up.
    private const double ClockBehind = 5;

    public static async Task<IReadOnlyList<Finding>> RunAsync(
        OperatorClient gateway, GatewayOptions options, CancellationToken cancellationToken)
    {
        var (found, about) = (new List<Finding>(), gateway.Address.GetLeftPart(UriPartial.Authority));
        try
        {
            var (isReady, says) = await gateway.ReadyAsync(cancellationToken);
            AddHealth(found, about, isReady, says);
            var statistics = await gateway.GetAsync(AdminCalls.Stats, "?top=0", cancellationToken);
            AddDisk(found, options, statistics.Cache);
            AddMetrics(found, about, await gateway.TextAsync("/metrics", cancellationToken));
            // The metrics are those of the process, and would name upstreams of other gateways in it.
            AddUpstreams(found, (await gateway.GetAsync(AdminCalls.OverviewPage, null, cancellationToken)).Upstreams);
        }
        catch (HttpRequestException e)
        {
            found.Add(Finding.Error(
                "OPERATOR_UNREACHABLE", about, $"expected the operator port of this configuration, got: {e.Message}",
                "start the gateway with this configuration, or run the command on its machine"));
        }
        return found;
    }

    private static void AddHealth(List<Finding> found, string about, bool isReady, string says)
    {
        if (isReady) found.Add(Finding.Ok("ready", about, "the gateway is ready"));
        if (!says.StartsWith('{'))
        {
            if (!isReady) found.Add(NotReady(about, says));
            return;
        }
        using var document = JsonDocument.Parse(says);
        foreach (var check in document.RootElement.GetProperty("checks").EnumerateObject())
        {
            if (check.Value.GetString() is { } problem and not "ok") found.Add(NotReady($"{about} {check.Name}", problem));
        }
        foreach (var warning in document.RootElement.GetProperty("warnings").EnumerateObject())
        {
            found.Add(Finding.Warning(
                "GATEWAY_WARNS", $"{about} {warning.Name}", warning.Value.GetString() ?? "",
                $"docs/runbook.md, \"{SectionOf(warning.Name)}\", says how this ends"));
        }
    }

    /// <summary>The section of the runbook about a warning.</summary>
    internal static string SectionOf(string warning) => warning switch
    {
        "bucket" => "GatewayBucketFails",
        "content" => "GatewayContentDamaged",
        _ => "GatewayNotAsConfigured",
    };

    private static Finding NotReady(string about, string problem) =>
        Finding.Error("NOT_READY", about, problem, "docs/operations.md, \"When the disk fails\" and \"Audit\", says how this state ends");

    private static void AddDisk(List<Finding> found, GatewayOptions options, CacheStatistics cache)
    {
        var (about, free) = (options.Storage.Path, AdminCommand.Bytes(cache.DiskFree));
        var keep = AdminCommand.Bytes(cache.KeepFree);
        if (cache.DiskFree < cache.KeepFree)
        {
            found.Add(Finding.Error(
                "DISK_FULL", about, $"{free} are free, less than the {keep} of cache.keepFree: fetched content is not cached any more",
                "lower cache.maxSize, purge content, or enlarge the volume"));
        }
        else if (cache.DiskFree < LowRoom * cache.KeepFree)
        {
            found.Add(Finding.Warning(
                "DISK_LOW", about, $"{free} are free; below {keep} (cache.keepFree) fetched content is not cached",
                "lower cache.maxSize, purge content, or enlarge the volume"));
        }
        else
        {
            found.Add(Finding.Ok("disk", about, $"{free} are free"));
        }
    }

    private static void AddMetrics(List<Finding> found, string about, string text)
    {
        foreach (var line in text.Split('\n'))
        {
            var space = line.LastIndexOf(' ');
            if (space < 0 || line[0] == '#') continue;
            var name = line[..space];
            if (!double.TryParse(line.AsSpan(space + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)) continue;
            if (name == "gateway_clock_behind_seconds" && value > ClockBehind)
            {
                found.Add(Finding.Error(
                    "CLOCK_BACK", about, $"the clock of its machine is {value:0} s behind the latest moment that the gateway has seen",
                    "set the clock by NTP; until then the gateway's time stands still"));
            }
        }
    }

    private static void AddUpstreams(List<Finding> found, IEnumerable<UpstreamState> upstreams)
    {
        foreach (var upstream in upstreams.Where(static each => !each.IsUp))
        {
            found.Add(Finding.Warning(
                "UPSTREAM_DOWN", upstream.Name, "the gateway asks none of its endpoints for some seconds, because requests failed",
                $"check upstreams.{upstream.Name}.url; the gateway tries again by itself"));
        }
    }
}
