using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Faults;

/// <summary>Clients of a <see cref="BucketSet"/> whose requests must all succeed.</summary>
internal static class ImageLoad
{
    /// <summary>The layer of the image that <see cref="PullAsync"/> expects.</summary>
    public static byte[] Layer { get; } = OciLayout.Noise(5, 200_000);

    private static string Blob { get; } = Described.Sha256(Layer);

    /// <summary>Pulls <c>team/app:v1</c> from one gateway.</summary>
    /// <param name="manifest">The bytes that are expected for the tag; their layer is <see cref="Layer"/>.</param>
    /// <param name="isStale">Whether the gateway must say that the store did not answer.</param>
    public static async Task PullAsync(GatewayProcess gateway, byte[] manifest, bool isStale = false)
    {
        using var raw = new RawClient(gateway.Host);
        using var tag = await raw.GetAsync("/v2/team/app/manifests/v1", ("Accept", OciLayout.ImageManifest));
        Assert.True(tag.StatusCode == HttpStatusCode.OK, $"{tag}\n{gateway.Log}");
        Assert.Equal(manifest, await tag.Content.ReadAsByteArrayAsync());
        if (isStale) Assert.Contains("fwd=stale", tag.Headers.GetValues("Cache-Status").Single(), StringComparison.Ordinal);
        using var blob = await raw.GetAsync($"/v2/team/app/blobs/{Blob}");
        Assert.True(blob.StatusCode == HttpStatusCode.OK, $"{blob}\n{gateway.Log}");
        Assert.Equal(Layer, await blob.Content.ReadAsByteArrayAsync());
    }

    /// <summary>
    /// Pushes images by the reverse proxy and pulls each again, until it is told to stop and at least once. Returns how many.
    /// </summary>
    public static async Task<int> RunAsync(BucketSet set, int client, CancellationToken stop)
    {
        var count = 0;
        using var raw = new RawClient(set.Host);
        for (; count == 0 || !stop.IsCancellationRequested; count++)
        {
            try
            {
                await ImageAsync(raw, client, count);
            }
            // A stalled machine keeps the store from answering, but not twice.
            catch (Xunit.Sdk.XunitException e) when (e.Message.Contains("did not answer in time", StringComparison.Ordinal))
            {
                await ImageAsync(raw, client, count);
            }
            catch (Exception e) when (e is Xunit.Sdk.XunitException or HttpRequestException)
            {
                Assert.Fail($"{e}\n{set.Log}");
            }
        }
        return count;
    }

    private static async Task ImageAsync(RawClient raw, int client, int count)
    {
        var layer = OciLayout.Noise((1000 * client) + count, 20_000);
        await raw.ImageAsync($"team/app{client}", $"v{count}", layer);
        using var tag = await raw.GetAsync($"/v2/team/app{client}/manifests/v{count}", ("Accept", OciLayout.ImageManifest));
        await RawClient.ExpectAsync(tag, HttpStatusCode.OK);
        using var blob = await raw.GetAsync($"/v2/team/app{client}/blobs/{Described.Sha256(layer)}");
        await RawClient.ExpectAsync(blob, HttpStatusCode.OK);
        Assert.Equal(layer, await blob.Content.ReadAsByteArrayAsync(CancellationToken.None));
    }
}
