using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Faults;

/// <summary>
/// Clients of a <see cref="FaultySet"/>: they push, tag again, delete, mount, sign what is held, promote, pull, pull through, and collect.
/// Each checks what it sees. A request that is answered with 500 or more, or not at all, is not acknowledged; then the client goes on.
/// </summary>
internal sealed partial class MixedLoad(FaultySet set, Disturbances disturbances, int seed)
{
    private const int Writers = 3;

    /// <summary>Tags of each writer that are bound again and again.</summary>
    private const int Moving = 4;

    private readonly ConcurrentQueue<TagFacts> _facts = [];
    private long _acknowledged;
    private long _unanswered;
    private long _read;
    private int _collections;
    private int _fetches;
    private int _fetchesOnce;
    // Of contents that no other client of the load makes.
    private int _coldSeeds = int.MaxValue;
    // Cold blobs in a row that were fetched more than once.
    private int _againInRow;

    /// <summary>Writes that were acknowledged.</summary>
    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    /// <summary>Every tag that a client tried to write.</summary>
    public IReadOnlyCollection<TagFacts> Facts => _facts;

    /// <summary>Requests of writers and readers that were answered with 500 or more, or not at all.</summary>
    public long Unanswered => Interlocked.Read(ref _unanswered);

    public override string ToString() =>
        $"{Acknowledged} writes acknowledged, {_unanswered} not, {_facts.Count} tags, {_read} reads checked, "
        + $"{_fetches} cold blobs pulled by all gateways, {_fetchesOnce} of them with one fetch checked, {_collections} collections";

    /// <summary>Runs all clients until they are told to stop. Fails when one of them sees what must not be.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var clients = new List<Func<Random, CancellationToken, Task>> { HoldAsync, ReadAsync, FetchAsync, CollectAsync };
        for (var n = 0; n < Writers; n++)
        {
            var number = n;
            clients.Add((random, end) => WriteAsync(number, random, end));
        }
        await Task.WhenAll(clients.Select(async (client, n) =>
        {
            try
            {
                await client(new(seed + n), failed.Token);
            }
            catch
            {
                await failed.CancelAsync();
                throw;
            }
        }));
    }

    /// <summary>Whether the work was answered; what it asserts still fails.</summary>
    private async Task<bool> TryAsync(Func<Task> work)
    {
        try
        {
            await work();
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException
            || e is Xunit.Sdk.XunitException && e.Message.Contains(", got 50", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref _unanswered);
            return false;
        }
    }

    private TagFacts Add(string repository, string tag)
    {
        var facts = new TagFacts(repository, tag);
        _facts.Enqueue(facts);
        return facts;
    }

    private async Task WriteAsync(int number, Random random, CancellationToken stop)
    {
        using var raw = FaultySet.Pusher(set.Bucket.Host);
        // Two writers share a repository, so that gateways change it at the same time.
        var (repository, other) = ($"team/app{number / 2}", "team/mounted");
        var moving = Enumerable.Range(0, Moving).Select(i => Add(repository, $"moving-{number}-{i}")).ToArray();
        var pushed = new List<(TagFacts Tag, byte[] Manifest)>();
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var (turn, to) = (random.Next(10), moving[random.Next(Moving)]);
            await TryAsync(() => turn switch
            {
                0 when pushed.Count > 0 => TagAgainAsync(raw, to, pushed[random.Next(pushed.Count)], random),
                1 => DeleteAsync(raw, to, to.Tag, random),
                2 when pushed.FindIndex(static each => !each.Tag.IsUsed && each.Tag.IsCertain) is >= 0 and var at =>
                    DeleteManifestAsync(raw, pushed, at, random),
                3 when pushed.Count > 0 => MountAsync(
                    raw, pushed[random.Next(pushed.Count)], Add(other, $"mounted-{number}-{i}"), random),
                4 or 5 => PushAsync(raw, to, random),
                _ => PushOnceAsync(raw, Add(repository, $"once-{number}-{i}"), pushed, random),
            });
        }
    }

    private async Task PushOnceAsync(RawClient raw, TagFacts tag, List<(TagFacts Tag, byte[] Manifest)> pushed, Random random)
    {
        var manifest = await PushAsync(raw, tag, random);
        pushed.Add((tag, manifest));
    }

    private async Task<byte[]> PushAsync(RawClient raw, TagFacts tag, Random random)
    {
        var manifest = await ImageAsync(raw, tag.Repository, random);
        await BindAsync(raw, tag, manifest, Described.Sha256(manifest));
        await SeesAsync(tag, random);
        return manifest;
    }

    private async Task<byte[]> ImageAsync(RawClient raw, string repository, Random random)
    {
        var (config, layer) = ("{}"u8.ToArray(), OciLayout.Noise(random.Next(), random.Next(1, 60_000)));
        foreach (var blob in (byte[][])[config, layer])
        {
            using var pushed = random.Next(3) == 0
                ? await PushLoad.PushInChunksAsync(raw, repository, blob, random)
                : await raw.PushBlobAsync(repository, blob);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
            Interlocked.Increment(ref _acknowledged);
        }
        return RawClient.Manifest(Described.Of(config, OciLayout.ImageConfig), Described.Of(layer, OciLayout.GzipLayer));
    }

    private async Task BindAsync(RawClient raw, TagFacts tag, byte[] manifest, string state)
    {
        tag.Try(state);
        using var bound = await raw.PushManifestAsync(tag.Repository, tag.Tag, manifest);
        await RawClient.ExpectAsync(bound, HttpStatusCode.Created);
        Acknowledge(tag, state);
    }

    private void Acknowledge(TagFacts tag, string state)
    {
        tag.Acknowledge(state);
        Interlocked.Increment(ref _acknowledged);
    }

    private async Task TagAgainAsync(RawClient raw, TagFacts tag, (TagFacts Tag, byte[] Manifest) from, Random random)
    {
        from.Tag.IsUsed = true;
        await BindAsync(raw, tag, from.Manifest, Described.Sha256(from.Manifest));
        await SeesAsync(tag, random);
    }

    private async Task DeleteAsync(RawClient raw, TagFacts tag, string reference, Random random)
    {
        var mayBeAbsent = tag.Allows(TagFacts.Absent);
        tag.Try(TagFacts.Absent);
        using var deleted = await raw.DeleteAsync($"/v2/{tag.Repository}/manifests/{reference}");
        if (deleted.StatusCode != HttpStatusCode.NotFound || !mayBeAbsent) await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
        Acknowledge(tag, TagFacts.Absent);
        await SeesAsync(tag, random);
    }

    private async Task DeleteManifestAsync(RawClient raw, List<(TagFacts Tag, byte[] Manifest)> pushed, int at, Random random)
    {
        var (tag, manifest) = pushed[at];
        pushed.RemoveAt(at);
        await DeleteAsync(raw, tag, Described.Sha256(manifest), random);
    }

    private async Task MountAsync(RawClient raw, (TagFacts Tag, byte[] Manifest) from, TagFacts to, Random random)
    {
        from.Tag.IsUsed = true;
        foreach (var blob in BlobsOf(from.Manifest))
        {
            using var mounted = await raw.SendAsync(
                HttpMethod.Post, $"/v2/{to.Repository}/blobs/uploads/?mount={blob}&from={from.Tag.Repository}", RawClient.Body([]));
            // A gateway that cannot look at the other repository opens an upload instead (distribution-spec, "Mounting a blob").
            if (mounted.StatusCode == HttpStatusCode.Accepted && !disturbances.IsCalm)
            {
                Interlocked.Increment(ref _unanswered);
                return;
            }
            await RawClient.ExpectAsync(mounted, HttpStatusCode.Created);
            Interlocked.Increment(ref _acknowledged);
        }
        await BindAsync(raw, to, from.Manifest, Described.Sha256(from.Manifest));
        await SeesAsync(to, random);
    }

    /// <summary>The digests of a manifest's configuration and layers.</summary>
    public static IEnumerable<string> BlobsOf(byte[] manifest)
    {
        var image = System.Text.Json.Nodes.JsonNode.Parse(manifest)!;
        return image["layers"]!.AsArray().Append(image["config"]).Select(each => (string)each!["digest"]!);
    }

    private async Task HoldAsync(Random random, CancellationToken stop)
    {
        using var raw = FaultySet.Pusher(set.Bucket.Host);
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var (tag, released) = (Add("held/app", $"held-{i}"), Add("released/app", $"released-{i}"));
            byte[] manifest = [];
            var isHeld = await TryAsync(async () =>
            {
                manifest = await ImageAsync(raw, tag.Repository, random);
                await BindAsync(raw, tag, manifest, TagFacts.Held);
                await SeesAsync(tag, random);
            });
            // Some stay held.
            if (!isHeld || i % 4 == 0) continue;
            var digest = Described.Sha256(manifest);
            tag.Try(digest);
            var isSigned = false;
            while (!isSigned && !stop.IsCancellationRequested) isSigned = await TryAsync(() => SignAsync(raw, tag.Repository, digest));
            if (!isSigned) return;
            Acknowledge(tag, digest);
            await TryAsync(async () =>
            {
                await SeesAsync(tag, random);
                released.Try(digest);
                var asked = $$"""{"from":"held/app@{{digest}}","to":"released/app:{{released.Tag}}"}""";
                using var promoted = await raw.SendAsync(
                    HttpMethod.Post, "/-/promote", RawClient.Body(Encoding.UTF8.GetBytes(asked), "application/json"));
                await RawClient.ExpectAsync(promoted, HttpStatusCode.Created);
                Acknowledge(released, digest);
                await SeesAsync(released, random);
            });
        }
    }

    private async Task SignAsync(RawClient raw, string repository, string digest)
    {
        var (config, payload, manifest) = CosignSignature.Of(digest, set.Key);
        foreach (var blob in (byte[][])[config, payload])
        {
            using var pushed = await raw.PushBlobAsync(repository, blob);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        }
        using var signed = await raw.PushManifestAsync(repository, CosignSignature.TagOf(digest), manifest);
        await RawClient.ExpectAsync(signed, HttpStatusCode.Created);
    }
}
