using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Faults;

/// <summary>Asserts, while nothing is disturbed, that every gateway shows every acknowledged fact.</summary>
internal static class Verification
{
    // Requests at the same time.
    private const int AtOnce = 6;

    /// <summary>What a puller sees of a tag: its digest, or one of the words of <see cref="TagFacts"/>.</summary>
    public static async Task<string> StateOfAsync(HttpResponseMessage answer) => answer.StatusCode switch
    {
        HttpStatusCode.NotFound => TagFacts.Absent,
        // 401: an account that can push would see more.
        HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized => TagFacts.Held,
        HttpStatusCode.OK => Described.Sha256(await answer.Content.ReadAsByteArrayAsync()),
        _ => $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}",
    };

    public static async Task AllAsync(FaultySet set, IReadOnlyCollection<TagFacts> facts)
    {
        RawClient[] pullers = [.. set.Gateways.Select(each => new RawClient(each.Host))];
        RawClient[] pushers = [.. set.Gateways.Select(each => FaultySet.Pusher(each.Host))];
        try
        {
            await Parallel.ForEachAsync(
                facts.Select((tag, i) => (tag, i)), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
                async (each, _) => await TagAsync(each.tag, each.i, pullers, pushers));
        }
        catch (Xunit.Sdk.XunitException e)
        {
            Assert.Fail($"{e.Message}\n{set.Bucket.Log}");
        }
        finally
        {
            foreach (var raw in pullers.Concat(pushers)) raw.Dispose();
        }
    }

    private static async Task TagAsync(TagFacts tag, int number, RawClient[] pullers, RawClient[] pushers)
    {
        var target = $"/v2/{tag.Repository}/manifests/{tag.Tag}";
        var states = new List<string>();
        byte[] manifest = [];
        foreach (var raw in pullers)
        {
            using var answer = await RawClient.SettledAsync(() => raw.GetAsync(target, ("Accept", OciLayout.ImageManifest)));
            states.Add(await StateOfAsync(answer));
            if (answer.StatusCode == HttpStatusCode.OK) manifest = await answer.Content.ReadAsByteArrayAsync();
        }
        Assert.True(
            states.Distinct().Count() == 1 && tag.Allows(states[0]),
            $"expected of every gateway: {tag}; got {string.Join(", ", states)}");
        if (states[0] == TagFacts.Absent) return;
        if (states[0] == TagFacts.Held)
        {
            foreach (var raw in pushers)
            {
                using var shown = await RawClient.SettledAsync(() => raw.GetAsync(target, ("Accept", OciLayout.ImageManifest)));
                await RawClient.ExpectAsync(shown, HttpStatusCode.OK);
                manifest = await shown.Content.ReadAsByteArrayAsync();
            }
        }
        var readers = states[0] == TagFacts.Held ? pushers : pullers;
        foreach (var digest in MixedLoad.BlobsOf(manifest))
        {
            // Each gateway has every blob; one of them sends it.
            for (var i = 0; i < readers.Length; i++)
            {
                var (reader, method) = (readers[i], i == number % readers.Length ? HttpMethod.Get : HttpMethod.Head);
                using var blob = await RawClient.SettledAsync(() => reader.SendAsync(method, $"/v2/{tag.Repository}/blobs/{digest}"));
                Assert.True(
                    blob.StatusCode == HttpStatusCode.OK, $"{tag}: gateway {i} answers {(int)blob.StatusCode} for blob {digest}");
                if (method == HttpMethod.Get) Assert.Equal(digest, Described.Sha256(await blob.Content.ReadAsByteArrayAsync()));
            }
        }
    }
}
