namespace Gateway.Storage;

/// <summary>
/// Removes what gateways that were killed left in a bucket beside uploads: parts of logs and lists that nothing names, and objects of
/// probes. It also finds out whether the store refuses removals that come late.
/// </summary>
internal sealed class BucketLeftovers(SharedLogs logs, TimeProvider clock)
{
    /// <summary>How old objects of a probe must be. Chosen: no probe takes a day, and no clocks differ by as much.</summary>
    private static readonly TimeSpan ProbesLast = TimeSpan.FromDays(1);

    /// <summary>How long the removal of the probe is valid. Chosen: a clock may be ahead by some seconds.</summary>
    private static readonly TimeSpan Valid = TimeSpan.FromSeconds(10);

    /// <summary>Until the store must refuse it: the time is counted in whole seconds.</summary>
    private static readonly TimeSpan Over = TimeSpan.FromSeconds(12);

    private IBucket Bucket => logs.Shared.Bucket;

    private string Prefix => logs.Shared.Prefix;

    private string Logs => $"{Prefix}gateway/logs/";

    private string Probes => $"{Prefix}gateway/probe/";

    /// <summary>
    /// Tries whether the store refuses a removal after its time. Returns why nothing can be removed safely; null when all is well. Takes
    /// some seconds.
    /// </summary>
    public async Task<string?> WhyNotDatedAsync(CancellationToken stop)
    {
        var key = $"{Probes}gc-{Guid.NewGuid():N}";
        await Bucket.PutAsync(key, "probe"u8.ToArray(), PutCondition.None, stop);
        try
        {
            if (await Bucket.HeadAsync(key, stop) is not { Written: var written })
                return "pushed: the bucket does not show an object that was just written, so nothing is removed from it";
            if (await Bucket.PrepareDeleteAsync(key, written + Valid, stop) is not { } delete)
                return "pushed: the clock of this gateway is ahead of the store's, so nothing is removed from the bucket; set it by NTP";
            await Task.Delay(Over, clock, stop);
            return await delete(stop) || await Bucket.HeadAsync(key, stop) is null
                ? "pushed: the store removes an object though the request has expired, so nothing is removed from the bucket; "
                    + "use a store that checks signatures"
                : null;
        }
        finally
        {
            await Bucket.DeleteAsync(key, CancellationToken.None);
        }
    }

    /// <summary>The parts of logs and the lists that exist now.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(CancellationToken stop) =>
    [
        .. await Bucket.ListAsync(Logs, null, stop).Select(static one => one.Key).ToListAsync(stop),
        .. await Bucket.ListAsync(logs.Collections.Lists, null, stop).Select(static one => one.Key).ToListAsync(stop),
    ];

    /// <summary>
    /// Removes what nothing names. Every head, and the state of the collection, was replaced since the objects were listed, so a writer
    /// that was about to name one of them cannot any more.
    /// </summary>
    public async Task RemoveAsync(IReadOnlyList<string> listed, CancellationToken stop)
    {
        var state = (await logs.Collections.ReadAsync(default, stop)).State;
        foreach (var list in listed.Where(key => key.StartsWith(logs.Collections.Lists, StringComparison.Ordinal)))
        {
            var name = list[logs.Collections.Lists.Length..];
            if (state is not null && name != state.List && name != state.Previous) await Bucket.DeleteAsync(list, stop);
        }
        foreach (var parts in listed.Where(key => key.StartsWith(Logs, StringComparison.Ordinal))
            .GroupBy(key => key[Logs.Length..key.LastIndexOf('/')]))
        {
            var head = await logs.ObjectsOf(parts.Key).ReadAsync(null);
            if (head.ETag is null) continue;
            var named = head.Head!.Parts.Select(part => $"{Logs}{parts.Key}/{part.Name}").ToHashSet(StringComparer.Ordinal);
            foreach (var part in parts.Where(key => !named.Contains(key))) await Bucket.DeleteAsync(part, stop);
        }
        var oldest = clock.GetUtcNow() - ProbesLast;
        await foreach (var probe in Bucket.ListAsync(Probes, null, stop))
        {
            if (probe.Facts.Written < oldest) await Bucket.DeleteAsync(probe.Key, stop);
        }
    }
}
