using System.Diagnostics;
using Gateway.Testing;

namespace Gateway.Bench;

/// <summary>
/// Three gateways that share a bucket of Ceph and Redis, compared with one gateway on the bucket, and with one that has the content on its
/// disk.
/// </summary>
internal sealed class BucketRows(Settings settings, Peers peers) : IDisposable
{
    private const int Count = 3;
    private const string One = "one on the bucket";
    private const string Disk = "without a bucket";
    private const string Repository = "bench/bucket";

    // The limit of tests/Gateway.BlackBox/MemoryTests.cs: enough for buffers and garbage, but not for a copy of the blob.
    private const int PeakLimit = 300;

    // What is pushed in all rows, of which Ceph frees nothing before two hours are over, with room to spare.
    private const string StoreBytes = "16G";

    private static readonly string[] Three = [Series.Gateway, "second of three", "third of three"];

    private readonly Dictionary<string, BlobFile> _blobs = [];
    private readonly List<(Server Server, int Port, int Operator)> _gateways = [];
    private S3Server? _store;
    private Server? _redis;
    private string _bucket = "";
    private string _image = "";

    public IEnumerable<Row> All()
    {
        var (middle, (herd, huge)) = (settings.Mib.Middle, settings.BucketMib);
        var name = $"herd of {settings.Herd} over {Count} on a bucket, cold {herd} MiB";
        yield return new($"{name} that was pushed", "s", "s", s => Herd(s, isPushed: true), Goal.Time(One, 1.2));
        yield return new(
            $"{name} of an upstream", "s", "s", s => Herd(s, isPushed: false), Goal.Time(One, 1.2),
            Goal.Upstream(Math.Ceiling(herd * 1.02)));
        yield return new(
            $"warm pushed blob {middle} MiB, c=4, each of {Count} on a bucket", "MiB/s", "s/GB",
            s => Warm(s, (server, port) => Loads.Bodies(server, port, Path($"blobs/{_blobs["middle"].Digest}"), 4)),
            Goal.EachRate(Three, Disk, 0.95));
        yield return new(
            $"warm pushed manifest by digest, c=16, each of {Count} on a bucket", "req/s", "µs/req",
            s => Warm(s, (server, port) => Loads.Wrk(settings.Rig, server, port, Path($"manifests/{_image}"), 16)),
            Goal.EachRate(Three, Disk, 0.95));
        // Each is answered by a state of the bucket that was read after the request began.
        yield return new(
            $"warm pushed manifest by tag, c=16, each of {Count} on a bucket", "req/s", "µs/req",
            s => Warm(s, (server, port) => Loads.Wrk(settings.Rig, server, port, Path("manifests/latest"), 16)));
        yield return new($"push {huge} MiB, one on a bucket", "MiB/s", "s/GB", PushHuge, Goal.Peak(PeakLimit));
        yield return new($"pull {huge} MiB without a local copy, one on a bucket", "s", "s", PullHuge, Goal.Peak(PeakLimit));
    }

    public void Dispose()
    {
        foreach (var (server, _, _) in _gateways) server.Dispose();
        _redis?.Dispose();
        // It ends also with this process, because its standard input does.
        _store?.DisposeAsync().AsTask().Wait();
        foreach (var blob in _blobs.Values) blob.Dispose();
    }

    private static string Path(string rest) => $"/v2/{Repository}/{rest}";

    // The last gateway is alone: it does not know the others.
    private IReadOnlyList<(Server Server, int Port, int Operator)> Of(string server) =>
        server == One ? _gateways[Count..] : _gateways[..Count];

    private void Herd(Series series, bool isPushed)
    {
        Start();
        string[] servers = [Series.Gateway, One];
        var pull = ColdPull("warm-up", Settings.HerdWarmUp.Mib, isPushed);
        for (var i = 0; i < settings.Rounds(Settings.HerdWarmUp.Pulls); i++)
        {
            foreach (var server in servers) pull(server);
        }
        pull = ColdPull("herd", settings.BucketMib.Herd, isPushed);
        Row.Alternate(series, [.. servers.Select(server => new Turn(
            server, settings.Rounds(3), () => pull(server), IsWarmedUp: !settings.IsQuick))]);
        NotePeak(series, Of(Series.Gateway));
    }

    /// <summary>A pull by a herd from one or three of the gateways, none of which has a copy.</summary>
    private Func<string, Sample> ColdPull(string name, int mib, bool isPushed)
    {
        // Content that is in the bucket already is not fetched from an upstream.
        var blob = BlobOf(isPushed ? name : $"{name}-upstream", mib);
        var (manifest, digest) = (Requests.Manifest((blob.Digest, blob.Length)), "");
        if (isPushed) Push(_gateways[0].Port, name, manifest, blob);
        else digest = PutUpstream(blob, manifest);
        var repository = isPushed ? Repository : "fast/bench/app";
        return Pull;

        Sample Pull(string server)
        {
            // A purge at one of the three is one at all of them, so the purges come first.
            foreach (var (_, _, at) in Of(server)) Requests.Purge(at, blob.Digest);
            // As each client does; and under a policy a gateway has no blob of an upstream that is not part of an admitted image.
            foreach (var (_, port, _) in Of(server))
                Requests.Check(server, port, $"/v2/{repository}/manifests/{(isPushed ? name : digest)}", Requests.DigestOf(manifest));
            var log = peers.LogLength;
            var sample = Loads.Pull(
                [.. Of(server).Select(each => (each.Server, each.Port))], $"/v2/{repository}/blobs/{blob.Digest}", settings.Herd);
            return isPushed ? sample : sample with { Upstream = peers.MibSince(log) };
        }
    }

    private void Warm(Series series, Func<Server, int, Sample> load)
    {
        Start();
        var (middle, disk) = (BlobOf("middle", settings.Mib.Middle), peers[Series.Gateway]);
        var manifest = Requests.Manifest((middle.Digest, middle.Length));
        if (_image.Length == 0)
        {
            _image = Requests.DigestOf(manifest);
            foreach (var port in (int[])[disk.Port, _gateways[0].Port]) Push(port, "latest", manifest, middle);
            foreach (var (port, rest, digest) in Each(disk.Port, middle.Digest)) Requests.Check("gateway", port, Path(rest), digest);
        }
        var three = Of(Series.Gateway);
        Row.Alternate(series, [
            .. Three.Zip(three, (name, each) =>
                new Turn(name, settings.Rounds(6), () => load(each.Server, each.Port), !settings.IsQuick)),
            new(Disk, settings.Rounds(6), () => load(disk, disk.Port), !settings.IsQuick)]);
        NotePeak(series, three);
    }

    private void PushHuge(Series series)
    {
        Start();
        var (blob, one, disk) = (BlobOf("huge", settings.BucketMib.Huge), Of(One)[0], peers[Series.Gateway]);
        Row.Alternate(
            series,
            new(Series.Gateway, settings.Rounds(3), () => Measure(one.Server, () =>
            {
                Requests.DeleteBlob(one.Port, Repository, blob.Digest);
                Requests.Purge(one.Operator, blob.Digest);
                Remove(blob.Digest);
            }), !settings.IsQuick),
            new(Disk, settings.Rounds(3), () => Measure(disk, () =>
            {
                Requests.DeleteBlob(disk.Port, Repository, blob.Digest);
                peers.RemoveDeleted(blob.Digest);
            }), !settings.IsQuick));
        NotePeak(series, Of(One));

        Sample Measure(Server server, Action clear)
        {
            blob.Change();
            var (before, start) = (server.Cpu, Stopwatch.GetTimestamp());
            Requests.PushBlob(server.Port, Repository, blob);
            var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
            server.Settle();
            var sample = new Sample(blob.Length / 1048576.0 / took, (server.Cpu - before) / (blob.Length / 1e9));
            clear();
            return sample;
        }
    }

    private void PullHuge(Series series)
    {
        Start();
        var (blob, one, disk) = (BlobOf("huge", settings.BucketMib.Huge), Of(One)[0], peers[Series.Gateway]);
        foreach (var port in (int[])[disk.Port, one.Port]) Push(port, "huge", Requests.Manifest((blob.Digest, blob.Length)), blob);
        one.Server.Settle();
        var path = Path($"blobs/{blob.Digest}");
        Row.Alternate(
            series,
            new(Series.Gateway, settings.Rounds(3), () =>
            {
                Requests.Purge(one.Operator, blob.Digest);
                return Loads.Pull(one.Server, one.Port, path, 1);
            }, !settings.IsQuick),
            new(Disk, settings.Rounds(3), () => Loads.Pull(disk, disk.Port, path, 1), !settings.IsQuick));
        Requests.Check("a gateway on a bucket", one.Port, path, blob.Digest);
        NotePeak(series, Of(One));
    }

    // The object, which a collection would remove an hour later.
    private void Remove(string digest) => _store!.SendAsync(
        HttpMethod.Delete, $"{_bucket}/docker/registry/v2/blobs/sha256/{digest[7..9]}/{digest[7..]}/data").GetAwaiter().GetResult();

    private static void NotePeak(Series series, IReadOnlyList<(Server Server, int Port, int Operator)> gateways) =>
        series.Peaks[Series.Gateway] = gateways.Max(each => each.Server.Peak);

    private IEnumerable<(int Port, string Target, string Digest)> Each(int disk, string blob) =>
        from port in Of(Series.Gateway).Select(each => each.Port).Append(disk)
        from each in new[] { ("manifests/latest", _image), ($"blobs/{blob}", blob) }
        select (port, each.Item1, each.Item2);

    private static void Push(int port, string tag, byte[] manifest, BlobFile blob)
    {
        Requests.PushBlob(port, Repository, blob);
        Requests.PushBytes(port, Repository, "{}"u8.ToArray());
        Requests.PushManifest(port, Repository, tag, manifest);
    }

    // The digest of the image.
    private string PutUpstream(BlobFile blob, byte[] manifest)
    {
        var folder = System.IO.Path.Combine(peers.Www, "v2/bench/app");
        foreach (var kind in (string[])["blobs", "manifests"]) Directory.CreateDirectory(System.IO.Path.Combine(folder, kind));
        File.WriteAllBytes(System.IO.Path.Combine(folder, "blobs", Requests.DigestOf("{}"u8)), "{}"u8.ToArray());
        File.CreateSymbolicLink(System.IO.Path.Combine(folder, "blobs", blob.Digest), blob.Path);
        var image = Requests.DigestOf(manifest);
        File.WriteAllBytes(System.IO.Path.Combine(folder, "manifests", image), manifest);
        return image;
    }

    private BlobFile BlobOf(string name, int mib) => _blobs.TryGetValue(name, out var blob)
        ? blob
        : _blobs[name] = new(System.IO.Path.Combine(peers.Work, $"bucket-{name}"), (long)mib << 20);

    // Starts what is not started yet; each row has peaks of its own.
    private void Start()
    {
        if (_gateways.Count == 0) StartAll();
        foreach (var (server, _, _) in _gateways) server.ForgetPeak();
    }

    private void StartAll()
    {
        _ = peers[Peers.Direct];
        Environment.SetEnvironmentVariable("GATEWAY_CEPH_BYTES", StoreBytes);
        _store = S3Server.StartCephAsync().GetAwaiter().GetResult()
            ?? throw new InvalidOperationException("expected Ceph in GATEWAY_RIG, got none; run tests/rig/install.sh");
        _bucket = _store.NewBucketAsync().GetAwaiter().GetResult();
        var redis = peers.PortOf("redis");
        _redis = Server.Start(
            peers.Work, "redis", redis, System.IO.Path.Combine(settings.Rig, "bin/redis-server"), "--port", $"{redis}", "--bind",
            "127.0.0.1", "--save", "", "--appendonly", "no");
        (string, string)[] secrets =
            [("access", S3Server.AccessKey), ("secret", S3Server.SecretKey), ("shared", "a-secret-of-the-bench")];
        foreach (var (file, text) in secrets)
            File.WriteAllText(System.IO.Path.Combine(peers.Work, $"s3-{file}"), text);
        var keys = $"accessKeyFile: \"{peers.Work}/s3-access\", secretKeyFile: \"{peers.Work}/s3-secret\"";
        var s3 = $$"""{ bucket: {{_bucket}}, endpoint: "{{_store.Endpoint.GetLeftPart(UriPartial.Authority)}}", {{keys}} }""";
        for (var i = 0; i <= Count; i++)
        {
            var (name, peer) = ($"bucket-{i}", $"http://127.0.0.1:{peers.PortOf($"bucket-{i}-peer")}");
            var replicas = i == Count ? "" : $$"""
                replicas:
                  redis: { address: "127.0.0.1:{{redis}}" }
                  listen: {{peer}}
                  advertise: {{peer}}
                  secretFile: "{{peers.Work}}/s3-shared"

                """;
            var server = peers.StartGateway(name, System.IO.Path.Combine(peers.Work, name), hasPolicy: true, replicas, s3);
            server.WaitFor("/v2/", Configurations.Credentials);
            _gateways.Add((server, server.Port, peers.PortOf($"{name}-operator")));
        }
    }
}
