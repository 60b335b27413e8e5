namespace Gateway.Bench;

/// <summary>Pulls of a blob that only the upstream has, a new one in each round.</summary>
internal sealed class ColdRows(Settings settings, Peers peers) : IDisposable
{
    private readonly Dictionary<int, BlobFile> _blobs = [];

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
        var folder = Path.Combine(peers.Www, "v2/bench/app");
        foreach (var kind in (string[])["blobs", "manifests"]) Directory.CreateDirectory(Path.Combine(folder, kind));
        File.WriteAllBytes(Path.Combine(folder, "blobs", Requests.DigestOf("{}"u8)), "{}"u8.ToArray());
        if (!_blobs.TryGetValue(mib, out var blob)) _blobs[mib] = blob = new(Path.Combine(peers.Work, $"cold-{mib}"), (long)mib << 20);
        Row.Alternate(series, [.. servers.Select(each => new Turn(
            each.Server, settings.Rounds(each.Rounds), () => Pull(each.Server),
            // A slow upstream takes as long in each round, and the herd of a proxy that fetches for each client takes a minute.
            IsWarmedUp: !settings.IsQuick && each.Rounds > 1))]);

        Sample Pull(string server)
        {
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
            if (series.Of(server).Count == 0) Requests.Check(server, port, target, blob.Digest);
            peers.Recycle(server, upstream, blob.Digest);
            File.Delete(path);
            File.Delete(Path.Combine(folder, "manifests", image));
            return sample;
        }
    }
}
