using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway stats</c>: the cache and its use.</summary>
internal static class StatsCommand
{
    public static Command Create()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var top = new Option<int>("--top")
        {
            Description = "Number of repositories to list, those with the most bytes.", DefaultValueFactory = _ => 10, HelpName = "N",
        };
        var command = new Command("stats", "Prints the cache size, its hits, and the state of the upstreams.")
        {
            asked.Config, asked.Server, top, json,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            var (output, asJson) = (parsed.InvocationConfiguration.Output, parsed.GetValue(json));
            var count = Math.Clamp(parsed.GetValue(top), 0, Statistics.MaxTop);
            return AdminCommand.RunAsync(
                parsed, asked,
                async gateway => await PrintAsync(
                    output, asJson, await gateway.GetAsync(AdminCalls.Stats, $"?top={count}", cancellationToken)),
                (options, volume) => PrintAsync(output, asJson, new(
                    Statistics.CacheOf(volume.Eviction, volume.Health, options.Cache, 0), null, [],
                    Statistics.Top(
                        volume.CachedRepositories, AdminCommand.NamesOnly(options, volume), count, cancellationToken))));
        });
        return command;
    }

    private static async Task<int> PrintAsync(TextWriter output, bool asJson, Statistics said)
    {
        if (asJson)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(said, AdminJson.Default.Statistics));
            return 0;
        }
        var cache = said.Cache;
        await output.WriteLineAsync($"cached        {Of(cache.Bytes)} of {Of(cache.MaxBytes)}, {cache.Entries} blobs and manifests");
        await output.WriteLineAsync($"volume        {Of(cache.DiskFree)} free, {Of(cache.KeepFree)} kept free");
        if (said.Requests is { } requests)
        {
            await output.WriteLineAsync($"requests      {requests.Hits} hits, {requests.Misses} misses{Percent(requests.HitRatio)}");
            await output.WriteLineAsync(
                $"bytes         {Of(requests.BytesFromCache)} from the cache, {Of(requests.BytesFetched)} fetched"
                + Percent(requests.ByteHitRatio));
            await output.WriteLineAsync($"evicted       {requests.Evictions}");
            await output.WriteLineAsync($"in progress   {cache.FetchesUnderWay} fetches");
        }
        else
        {
            await output.WriteLineAsync("no gateway runs on this store");
        }
        foreach (var upstream in said.Upstreams)
        {
            var budget = upstream.RateLimitRemaining is { } remaining ? $", {remaining} remaining of its rate limit" : "";
            await output.WriteLineAsync($"upstream      {upstream.Name}  {upstream.Requests} requests, {upstream.Errors} failed{budget}");
        }
        foreach (var repository in said.Repositories) await output.WriteLineAsync($"{Of(repository.Bytes),12}  {repository.Name}");
        return 0;
    }

    private static string Of(long bytes) => AdminCommand.Bytes(bytes);

    private static string Percent(double? ratio) =>
        ratio is { } known ? $" ({(100 * known).ToString("0.0", CultureInfo.InvariantCulture)} %)" : "";
}
