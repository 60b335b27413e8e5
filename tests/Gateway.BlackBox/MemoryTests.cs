using System.Net;
using System.Security.Cryptography;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The gateway's peak of resident memory does not depend on the size of a blob.</summary>
public sealed class MemoryTests
{
    /// <summary>Comparison: docker-registry peaks at 186 MB in the same uses; the minimum of .NET is near 100 MB.</summary>
    internal const long PeakLimit = 300L << 20;

    /// <summary>A sixteenth of the size difference of the blobs: enough for buffers and garbage, but not for a copy of the blob.</summary>
    private const long GrowthLimit = 60L << 20;

    [Fact]
    public async Task Push_and_pull_of_one_GiB_use_no_more_memory_than_64_MiB()
    {
        var small = await PeakAsync(64L << 20);
        var large = await PeakAsync(1L << 30);

        TestContext.Current.TestOutputHelper!.WriteLine($"peak {small >> 20} MiB with 64 MiB, {large >> 20} MiB with 1 GiB");
        Assert.True(large < PeakLimit, $"expected a peak below {PeakLimit >> 20} MiB, got {large >> 20} MiB with 1 GiB");
        Assert.True(large - small < GrowthLimit, $"peak of {small >> 20} MiB with 64 MiB, {large >> 20} MiB with 1 GiB");
    }

    [Fact]
    public async Task Half_a_GiB_is_forwarded_to_a_fronted_registry_in_bounded_memory()
    {
        const long length = 512L << 20;
        await using var registry = await DockerRegistry.StartAsync();
        await using var gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "{{registry.Url}}" } }
            routes: [{ prefix: "", upstream: corp, push: forward }]
            """);
        using var raw = new RawClient(gateway.Host);
        var layer = await PushAsync(raw, length);
        var config = await raw.BlobAsync("large/blob", "{}"u8.ToArray(), OciLayout.ImageConfig);
        var manifest = RawClient.Manifest(config, new Described(OciLayout.GzipLayer, layer, length));
        using (var pushed = await raw.PushManifestAsync("large/blob", "1", manifest))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);

        using var theirs = new RawClient(registry.Host);
        Assert.Equal(layer, await PullAsync(theirs, layer));
        Assert.Equal(layer, await PullAsync(raw, layer));
        TestContext.Current.TestOutputHelper!.WriteLine($"peak {gateway.PeakResidentBytes >> 20} MiB");
        Assert.True(gateway.PeakResidentBytes < PeakLimit, $"peak of {gateway.PeakResidentBytes >> 20} MiB with 512 MiB");
    }

    private static async Task<long> PeakAsync(long length)
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var raw = new RawClient(gateway.Host);
        var digest = await PushAsync(raw, length);
        Assert.Equal(digest, await PullAsync(raw, digest));
        return gateway.PeakResidentBytes;
    }

    internal static async Task<string> PushAsync(RawClient raw, long length)
    {
        var digest = "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(new RepeatedNoise(length)));
        using var content = new StreamContent(new RepeatedNoise(length), 1 << 16);
        content.Headers.ContentLength = length;
        var upload = RawClient.WithDigest(await raw.OpenUploadAsync("large/blob"), digest);
        using var pushed = await raw.SendAsync(HttpMethod.Put, upload, content);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        return digest;
    }

    internal static async Task<string> PullAsync(RawClient raw, string digest)
    {
        using var pulled = await raw.GetAsync($"/v2/large/blob/blobs/{digest}");
        await RawClient.ExpectAsync(pulled, HttpStatusCode.OK);
        await using var body = await pulled.Content.ReadAsStreamAsync();
        return "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(body));
    }
}
