using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>Pushes, answered after everything is flushed, compared with docker-registry.</summary>
internal sealed class PushRows(Settings settings, Peers peers) : IDisposable
{
    private BlobFile? _blob;
    private int _tags;

    private BlobFile Blob => _blob ??= new(Path.Combine(peers.Work, "push"), (long)settings.Mib.Large << 20);

    public IEnumerable<Row> All()
    {
        foreach (var way in (string[])["monolithic", "chunked"])
        {
            yield return new(
                $"push {settings.Mib.Large} MiB, {way}", "MiB/s", "s/GB", s => Blobs(s, way == "chunked"),
                Goal.Rate(Peers.Registry, 3), Goal.CpuOf(1.5, "s/GB"));
        }
        yield return new("push of manifests, c=1", "req/s", "µs/req", s => Manifests(s, 1), Goal.Rate(Peers.Registry, 2));
        yield return new("push of manifests, c=16", "req/s", "µs/req", s => Manifests(s, 16), Goal.Rate(Peers.Registry, 8));
        yield return new(
            $"push {settings.Mib.Large} MiB, forwarded", "s", "s", Forwarded, Goal.Time("straight to " + Peers.Registry, 1.4));
    }

    public void Dispose() => _blob?.Dispose();

    private void Blobs(Series series, bool chunked) => Row.Alternate(
        series, [.. ((string[])[Series.Gateway, Peers.Registry]).Select(server => new Turn(server, settings.Rounds(4), () =>
        {
            Blob.Change();
            var (process, before, start) = (peers[server], peers[server].Cpu, Stopwatch.GetTimestamp());
            Requests.PushBlob(process.Port, "bench/push", Blob, chunked);
            var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
            process.Settle();
            var sample = new Sample(Blob.Length / 1048576.0 / took, (process.Cpu - before) / (Blob.Length / 1e9));
            Recycle(server, "bench/push");
            return sample;
        }, IsWarmedUp: !settings.IsQuick))]);

    private void Manifests(Series series, int connections)
    {
        string[] servers = [Series.Gateway, Peers.Registry];
        foreach (var server in servers) Requests.PushBytes(peers[server].Port, "bench/push", "{}"u8.ToArray());
        Row.Alternate(series, [.. servers.Select(server => new Turn(server, settings.Rounds(4), () =>
        {
            var script = Path.Combine(peers.Work, "push.lua");
            File.WriteAllText(script, Script(++_tags));
            return Loads.Wrk(settings.Rig, peers[server], peers[server].Port, "/v2/", connections, script: script);
        }))]);
    }

    // Each request pushes another manifest under another tag.
    private static string Script(int round)
    {
        var before = System.Text.Encoding.ASCII.GetString(Requests.Manifest());
        var authorization = Configurations.Credentials.Split(": ")[1].Trim();
        return $$$"""
            local n = 0
            function request()
              n = n + 1
              local tag = "r{{{round}}}-" .. n
              local body = '{{{before[..^1]}}},"annotations":{"n":"' .. tag .. '"}}'
              return wrk.format("PUT", "/v2/bench/push/manifests/" .. tag,
                { ["Content-Type"] = "{{{Configurations.ManifestType}}}", ["Authorization"] = "{{{authorization}}}" }, body)
            end

            """;
    }

    // The whole image: the blob, its config and its manifest, through the gateway to a registry, and straight to another one.
    private void Forwarded(Series series)
    {
        var straight = "straight to " + Peers.Registry;
        Row.Alternate(series, [.. ((string[])[Series.Gateway, straight]).Select(name => new Turn(name, settings.Rounds(3), () =>
        {
            Blob.Change();
            var server = name == straight ? Peers.Registry : Series.Gateway;
            var repository = name == straight ? "bench/forward" : "corp/bench/forward";
            var (process, before, start) = (peers[server], peers[server].Cpu, Stopwatch.GetTimestamp());
            Requests.PushBlob(process.Port, repository, Blob);
            Requests.PushBytes(process.Port, repository, "{}"u8.ToArray());
            Requests.PushManifest(process.Port, repository, "latest", Requests.Manifest((Blob.Digest, Blob.Length)));
            var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
            process.Settle();
            var sample = new Sample(took, process.Cpu - before);
            if (name != straight)
            {
                Requests.Check("the fronted registry", peers["corp"].Port, $"/v2/bench/forward/blobs/{Blob.Digest}", Blob.Digest);
                peers.Recycle("corp", "fast", Blob.Digest);
            }
            peers.Recycle(server, "fast", Blob.Digest);
            return sample;
        }, IsWarmedUp: !settings.IsQuick))]);
    }

    private void Recycle(string server, string repository)
    {
        if (server == Series.Gateway)
        {
            Requests.DeleteBlob(peers[server].Port, repository, Blob.Digest);
            peers.RemoveDeleted(Blob.Digest);
        }
        else
        {
            peers.Recycle(server, "fast", Blob.Digest);
        }
    }
}
