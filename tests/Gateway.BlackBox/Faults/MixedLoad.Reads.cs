using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;
using Scripted;

namespace Gateway.BlackBox.Faults;

/// <summary>The clients that pull and pull through, and the collector.</summary>
internal sealed partial class MixedLoad
{
    /// <summary>Asserts that any gateway shows a tag as its only writer knows it, unless the gateway says that it does not know.</summary>
    private async Task SeesAsync(TagFacts tag, Random random)
    {
        var gateway = set.Gateways[random.Next(BucketSet.Count)];
        using var raw = new RawClient(gateway.Host);
        using var answer = await raw.GetAsync($"/v2/{tag.Repository}/manifests/{tag.Tag}", ("Accept", OciLayout.ImageManifest));
        if (IsUnsure(answer)) return;
        var state = await Verification.StateOfAsync(answer);
        Interlocked.Increment(ref _read);
        Assert.True(tag.Allows(state), $"expected of {gateway.Host}: {tag}; got {state}\n{answer}\n{set.Bucket.Log}");
    }

    private static bool IsUnsure(HttpResponseMessage answer) => (int)answer.StatusCode >= 500
        || answer.Headers.TryGetValues("Cache-Status", out var handling)
        && handling.Any(each => each.Contains("fwd=stale", StringComparison.Ordinal));

    private async Task ReadAsync(Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(20, CancellationToken.None); // a client that pulls again and again
            if (_facts.ToArray() is not { Length: > 0 } all) continue;
            await TryAsync(() => ReadAsync(all[random.Next(all.Length)], random));
        }
    }

    // Nothing partial: whoever gets the manifest gets every blob of it, whole, from any gateway.
    private async Task ReadAsync(TagFacts tag, Random random)
    {
        var (there, here) = (set.Gateways[random.Next(BucketSet.Count)], set.Gateways[random.Next(BucketSet.Count)]);
        using var first = new RawClient(there.Host);
        using var second = new RawClient(here.Host);
        var target = $"/v2/{tag.Repository}/manifests/{tag.Tag}";
        using var answer = await first.GetAsync(target, ("Accept", OciLayout.ImageManifest));
        if (answer.StatusCode != HttpStatusCode.OK) return;
        var manifest = await answer.Content.ReadAsByteArrayAsync();
        foreach (var digest in BlobsOf(manifest))
        {
            using var blob = await second.GetAsync($"/v2/{tag.Repository}/blobs/{digest}");
            if (blob.StatusCode == HttpStatusCode.OK)
                Assert.Equal(digest, Described.Sha256(await blob.Content.ReadAsByteArrayAsync()));
            else if (!IsUnsure(blob))
                Assert.Fail($"{tag}: {here.Host} answers {(int)blob.StatusCode} for {digest}\n{set.Bucket.Log}");
            Interlocked.Increment(ref _read);
        }
    }

    /// <summary>
    /// Asserts, while nothing is disturbed, that four cold blobs in a row are fetched once for all gateways. Earlier ones may be fetched
    /// again: a gateway remembers for some seconds that another one did not answer, which a stalled machine also causes.
    /// </summary>
    public async Task FetchOnceAsync()
    {
        var inRow = 0;
        await Eventually.TrueAsync(
            async () => (inRow = await FetchAsync(Interlocked.Decrement(ref _coldSeeds)) == 1 ? inRow + 1 : 0) >= 4,
            () => $"four times in a row one fetch for all gateways\n{set.Bucket.Log}");
        Interlocked.Add(ref _fetchesOnce, inRow);
    }

    private async Task FetchAsync(Random random, CancellationToken stop)
    {
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var isCalm = disturbances.IsCalm && await set.IsSharedAsync();
            var before = disturbances.Count;
            var gets = await FetchAsync(seed + i);
            _fetches++;
            if (isCalm && before == disturbances.Count && gets is { } count)
            {
                // Gateways wait a second for each other; on a machine that stalls for longer, a second fetch is right.
                _againInRow = count == 1 ? 0 : _againInRow + 1;
                Assert.True(
                    _againInRow < 3, $"expected one fetch for all gateways, got {count}, the third time in a row\n{set.Bucket.Log}");
                if (count == 1) Interlocked.Increment(ref _fetchesOnce);
            }
            await Task.Delay(random.Next(200), CancellationToken.None); // a client that pulls again and again
        }
    }

    /// <summary>Pulls a cold image from all gateways. Returns how often the upstream sent its layer; null if not all answered.</summary>
    private async Task<int?> FetchAsync(int content)
    {
        const string Repository = "team/upstream";
        var image = set.Upstream.AddImage(Repository, null, ScriptedUpstream.Bytes(200_000, content));
        var layer = image.Layers.Single();
        var whole = await Task.WhenAll(set.Gateways.Select(gateway => TryAsync(async () =>
        {
            using var raw = new RawClient(gateway.Host);
            using var manifest = await raw.GetAsync(
                $"/v2/corp/{Repository}/manifests/{image.Digest}", ("Accept", OciLayout.ImageManifest));
            await RawClient.ExpectAsync(manifest, HttpStatusCode.OK);
            using var blob = await raw.GetAsync($"/v2/corp/{Repository}/blobs/{layer}");
            await RawClient.ExpectAsync(blob, HttpStatusCode.OK);
            Assert.Equal(layer, Described.Sha256(await blob.Content.ReadAsByteArrayAsync()));
        })));
        foreach (var blob in (string[])[layer, image.Config]) set.Upstream.RemoveBlob(Repository, blob);
        return whole.All(static each => each) ? set.Upstream.Count(each => each.IsGet && each.IsBlob(layer)) : null;
    }

    private async Task CollectAsync(Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await TryAsync(async () =>
            {
                using var http = new HttpClient { BaseAddress = set.Gateways[random.Next(BucketSet.Count)].Operator };
                using var body = new StringContent("{}", Encoding.UTF8, "application/json");
                using var started = await http.PostAsync("/api/v1/gc", body);
                if (started.IsSuccessStatusCode) _collections++;
            });
            await Task.Delay(1000, CancellationToken.None); // a collection each second
        }
    }
}
