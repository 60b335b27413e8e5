namespace Gateway.Bench;

/// <summary>Pulls of what the caches have: one image that all of them pulled before, and that docker-registry was pushed.</summary>
internal sealed class WarmRows(Settings settings, Peers peers)
{
    private readonly HashSet<string> _filled = [];
    private readonly Dictionary<string, string> _digests = [];
    private byte[] _manifest = [];

    private string Image => _digests["manifest"];

    public IEnumerable<Row> All()
    {
        foreach (var what in (string[])["tag", "digest"])
        {
            foreach (var c in (int[])[1, 16, 64, 256])
            {
                yield return new(
                    $"warm manifest by {what}, c={c}", "req/s", "µs/req", s => Small(s, ManifestBy(what), c),
                    Goal.Rate(Peers.NginxCache, 1.0), Goal.Cpu(Peers.NginxCache, 1.3));
            }
        }
        foreach (var c in (int[])[1, 64])
        {
            yield return new(
                $"warm blob 16 KiB, c={c}", "req/s", "µs/req", s => Small(s, Blob("small"), c),
                Goal.Rate(Peers.Nginx, 0.9), Goal.Cpu(Peers.Nginx, 1.5));
        }
        foreach (var (size, mib) in new[] { ("middle", settings.Mib.Middle), ("large", settings.Mib.Large) })
        {
            foreach (var c in (int[])[1, 4, 16])
            {
                yield return new(
                    $"warm blob {mib} MiB, c={c}", "MiB/s", "s/GB", s => Large(s, Blob(size), c, tls: false),
                    Goal.Rate(Peers.Nginx, 1.0), Goal.Cpu(Peers.Nginx, 1.5));
            }
        }
        yield return new(
            "TLS, warm manifest by digest, c=16", "req/s", "µs/req", s => Tls(s, ManifestBy("digest"), 16), Goal.Rate(Peers.Nginx, 0.9));
        var (large, middle, _) = settings.Mib;
        foreach (var (size, mib, c) in new[] { ("middle", middle, 1), ("middle", middle, 4), ("middle", middle, 16), ("large", large, 4) })
        {
            yield return new(
                $"TLS, warm blob {mib} MiB, c={c}", "MiB/s", "s/GB", s => Large(s, Blob(size), c, tls: true),
                Goal.Rate(Peers.Nginx, 0.9));
        }
        yield return new(
            "policy's verdict, warm manifest by tag, c=16", "req/s", "µs/req", Policy,
            // 1 / 1.05: at most 1.05 times the time.
            Goal.Rate("without-policy", 0.95));
    }

    /// <summary>The row beside idle connections, which have memory of their own: it comes after the row of the peak.</summary>
    public IEnumerable<Row> BesideIdle()
    {
        yield return new(
            $"warm manifest by tag, c=16, beside {settings.Idle} idle connections", "req/s", "µs/req", Idle, Goal.P99("alone", 2.0));
    }

    private Func<string> ManifestBy(string what) => () => $"manifests/{(what == "tag" ? "latest" : Image)}";

    private Func<string> Blob(string size) => () => $"blobs/{_digests[size]}";

    private void Small(Series series, Func<string> rest, int connections)
    {
        string[] servers = [Series.Gateway, Peers.NginxCache, Peers.Nginx];
        if (!settings.IsQuick) servers = [.. servers, Peers.Varnish, Peers.Registry, Peers.RegistryProxy];
        Fill(servers);
        Row.Alternate(series, [.. servers.Select(server => new Turn(
            server,
            settings.Rounds(server switch { Series.Gateway or Peers.NginxCache => 4, Peers.Nginx => 3, _ => 1 }),
            () => Wrk(server, rest(), connections),
            IsWarmedUp: !settings.IsQuick && server is Series.Gateway or Peers.NginxCache))]);
    }

    private void Large(Series series, Func<string> rest, int connections, bool tls)
    {
        string[] servers = [Series.Gateway, Peers.Nginx];
        if (!tls && !settings.IsQuick) servers = [.. servers, Peers.NginxCache, Peers.Registry];
        Fill(servers);
        Row.Alternate(series, [.. servers.Select(server => new Turn(
            server, settings.Rounds(server switch { Series.Gateway or Peers.Nginx => 4, Peers.NginxCache => 2, _ => 1 }),
            () => Loads.Bodies(
                peers[server], peers.PortFor(server, "fast", tls), Peers.PathAt(server, rest()), connections, tls),
            IsWarmedUp: !settings.IsQuick && server == Series.Gateway))]);
    }

    private void Tls(Series series, Func<string> rest, int connections)
    {
        string[] servers = [Series.Gateway, Peers.Nginx];
        Fill(servers);
        Row.Alternate(series, [.. servers.Select(server =>
            new Turn(
            server, settings.Rounds(4), () => Wrk(server, rest(), connections, tls: true), !settings.IsQuick))]);
    }

    private void Policy(Series series)
    {
        Fill([Series.Gateway]);
        Requests.Check(
            "without-policy", peers["without-policy"].Port, Peers.PathAt(Series.Gateway, "manifests/latest"), Image);
        Row.Alternate(series, [.. ((string[])[Series.Gateway, "without-policy"]).Select(server =>
            new Turn(server, settings.Rounds(6), () => Wrk(server, "manifests/latest", 16)))]);
        peers.Stop("without-policy");
    }

    // The garbage of new connections is collected in a measurement that is not counted.
    private void Idle(Series series)
    {
        Fill([Series.Gateway]);
        for (var round = 0; round < settings.Rounds(3); round++)
        {
            _ = Wrk(Series.Gateway, "manifests/latest", 16);
            series.Add("alone", Wrk(Series.Gateway, "manifests/latest", 16));
            var idle = new List<Connection>(settings.Idle);
            try
            {
                for (var i = 0; i < settings.Idle; i++) idle.Add(Connection.Open(peers.PortFor(Series.Gateway, "fast"), isIdle: true));
                _ = Wrk(Series.Gateway, "manifests/latest", 16);
                series.Add(Series.Gateway, Wrk(Series.Gateway, "manifests/latest", 16));
            }
            finally
            {
                foreach (var each in idle) each.Dispose();
            }
            Thread.Sleep(1000);
        }
    }

    private Sample Wrk(string server, string rest, int connections, bool tls = false)
    {
        var upstreamPath = server == "without-policy" ? Series.Gateway : server;
        return Loads.Wrk(
            settings.Rig, peers[server], peers.PortFor(server, "fast", tls), Peers.PathAt(upstreamPath, rest), connections, tls);
    }

    // Brings the image to the servers, and checks every byte.
    private void Fill(IEnumerable<string> servers)
    {
        if (_digests.Count == 0) WriteUpstream();
        foreach (var server in servers.Where(_filled.Add))
        {
            if (server == Peers.Registry) Push(peers[server].Port);
            // A tag by each of its names: a cache keeps them apart.
            foreach (var rest in (string[])["manifests/latest", $"manifests/{Image}", $"blobs/{_digests["small"]}",
                $"blobs/{_digests["middle"]}", $"blobs/{_digests["large"]}"])
            {
                var digest = rest == "manifests/latest" ? Image : rest[(rest.IndexOf('/') + 1)..];
                Requests.Check(server, peers.PortFor(server, "fast"), Peers.PathAt(server, rest), digest);
                peers[server].Settle();
                Requests.Check(server, peers.PortFor(server, "fast"), Peers.PathAt(server, rest), digest);
            }
            if (server is not (Series.Gateway or Peers.Nginx)) continue;
            // Code that is used a thousand times is compiled again: none of it in a measurement.
            string[] often = ["manifests/latest", $"manifests/{Image}", $"blobs/{_digests["small"]}"];
            foreach (var rest in often) _ = Wrk(server, rest, 16);
            var middle = _digests["middle"];
            Requests.Check(server, peers.PortFor(server, "fast", tls: true), Peers.PathAt(server, $"blobs/{middle}"), middle, tls: true);
        }
    }

    private void WriteUpstream()
    {
        var folder = Path.Combine(peers.Www, "v2/bench/app");
        Directory.CreateDirectory(Path.Combine(folder, "blobs"));
        Directory.CreateDirectory(Path.Combine(folder, "manifests"));
        foreach (var (size, kib) in new[] { ("small", 16), ("middle", settings.Mib.Middle << 10), ("large", settings.Mib.Large << 10) })
        {
            var path = Path.Combine(folder, size);
            using var blob = new BlobFile(path, (long)kib << 10);
            _digests[size] = blob.Digest;
            File.Move(path, Path.Combine(folder, "blobs", blob.Digest));
        }
        // Eight layers, as many images have; each blob that is pulled is one of them.
        var small = (_digests["small"], 16L << 10);
        _manifest = Requests.Manifest(
            [small, (_digests["middle"], (long)settings.Mib.Middle << 20), (_digests["large"], (long)settings.Mib.Large << 20),
                .. Enumerable.Repeat(small, 5)]);
        _digests["manifest"] = Requests.DigestOf(_manifest);
        File.WriteAllBytes(Path.Combine(folder, "blobs", Requests.DigestOf("{}"u8)), "{}"u8.ToArray());
        foreach (var name in (string[])["latest", Image]) File.WriteAllBytes(Path.Combine(folder, "manifests", name), _manifest);
    }

    private void Push(int port)
    {
        foreach (var size in (string[])["small", "middle", "large"])
        {
            var source = Path.Combine(peers.Www, "v2/bench/app/blobs", _digests[size]);
            Requests.PushFile(port, "bench/app", source, _digests[size]);
        }
        Requests.PushBytes(port, "bench/app", "{}"u8.ToArray());
        Requests.PushManifest(port, "bench/app", "latest", _manifest);
    }
}
