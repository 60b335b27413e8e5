namespace Gateway.Bench;

/// <summary>Pulls of a blob that only the upstream has, a new one in each round.</summary>
internal sealed class ColdRows(Settings settings, Peers peers) : IDisposable
{
    private readonly Dictionary<int, BlobFile> _blobs = [];
    // Servers that sent the right bytes for this size.
    private readonly HashSet<(string Server, int Mib)> _checked = [];
    private bool _isWarm;

    public IEnumerable<Row> All()
    {
        var (large, middle, herd) = settings.Mib;
        yield return new(
            $"cold {large} MiB", "s", "s",
            s => Measure(
                s, large, "fast", 1, (Peers.Direct, 5), (Series.Gateway, 5), (Peers.RegistryProxy, 4), (Peers.NginxCache, 2)),
            Goal.Time(Peers.Direct, 1.6), Goal.Time(Peers.RegistryProxy, 0.6), Goal.CpuOf(large / 512.0, "s"), Goal.Upstream(large));
        yield return new(
            $"cold {middle} MiB", "s", "s",
            s => Measure(
                s, middle, "fast", 1, (Peers.Direct, 7), (Series.Gateway, 7), (Peers.RegistryProxy, 5), (Peers.NginxCache, 3)),
            // One round trip on loopback is below 0.1 ms.
            Goal.Time(Peers.Direct, 1.6), Goal.First(Peers.Direct, 2.1));
        yield return new(
            $"cold {herd} MiB, upstream limited to {Peers.LimitMib} MiB/s a connection", "s", "s",
            s => Measure(s, herd, "limited", 1, (Peers.Direct, 1), (Series.Gateway, 3), (Peers.RegistryProxy, 1)),
            Goal.Time(Peers.Direct, 0.30));
        yield return new(
            $"herd of {settings.Herd}, cold {herd} MiB", "s", "s",
            s => Measure(
                s, herd, "fast", settings.Herd, (Peers.Direct, 3), (Series.Gateway, 3), (Peers.RegistryProxy, 1), (Peers.NginxCache, 1)),
            Goal.Time(Peers.Direct, 0.6), Goal.Upstream(Math.Ceiling(herd * 1.02)));
    }

    public void Dispose()
    {
        foreach (var blob in _blobs.Values) blob.Dispose();
    }

    private void Measure(Series series, int mib, string upstream, int clients, params (string Server, int Rounds)[] servers)
    {
        WarmUp();
        Row.Alternate(series, [.. servers.Select(each => new Turn(
            each.Server, settings.Rounds(each.Rounds), () => Pull(each.Server, mib, upstream, clients),
            // A slow upstream takes as long in each round, and the herd of a proxy that fetches for each client takes a minute.
            IsWarmedUp: !settings.IsQuick && each.Rounds > 1))]);
    }

    // Once for all rows: compiles the gateway's code, which the first row alone would pay.
    private void WarmUp()
    {
        if (settings.IsQuick || _isWarm) return;
        _isWarm = true;
        for (var i = 0; i < Settings.WarmUp.Pulls; i++) Pull(Series.Gateway, Settings.WarmUp.Mib, "fast", 1);
    }

    private Sample Pull(string server, int mib, string upstream, int clients)
    {
        var folder = Path.Combine(peers.Www, "v2/bench/app");
        foreach (var kind in (string[])["blobs", "manifests"]) Directory.CreateDirectory(Path.Combine(folder, kind));
        File.WriteAllBytes(Path.Combine(folder, "blobs", Requests.DigestOf("{}"u8)), "{}"u8.ToArray());
        if (!_blobs.TryGetValue(mib, out var blob)) _blobs[mib] = blob = new(Path.Combine(peers.Work, $"cold-{mib}"), (long)mib << 20);
        var path = Path.Combine(folder, "blobs", blob.Change());
        File.CreateSymbolicLink(path, blob.Path);
        var manifest = Requests.Manifest((blob.Digest, blob.Length));
        var image = Requests.DigestOf(manifest);
        File.WriteAllBytes(Path.Combine(folder, "manifests", image), manifest);
        var (process, port, target) = (
            peers[Peers.ProcessOf(server, upstream)], peers.PortFor(server, upstream),
            Peers.PathAt(server, $"blobs/{blob.Digest}", upstream));
        // As each client does. Under a policy the gateway has no blob that is not part of an admitted image.
        Requests.Check(server, port, Peers.PathAt(server, $"manifests/{image}", upstream), image);
        process.Settle();
        var log = peers.LogLength;
        var sample = Loads.Pull(process, port, target, clients);
        sample = sample with { Upstream = peers.MibSince(log) };
        if (_checked.Add((server, mib))) Requests.Check(server, port, target, blob.Digest);
        peers.Recycle(server, upstream, blob.Digest);
        File.Delete(path);
        File.Delete(Path.Combine(folder, "manifests", image));
        return sample;
    }
}
