using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Conformance;

/// <summary>Mounting blobs from another repository, according to the distribution-spec.</summary>
public class MountConformanceTests(RegistryFixture fixture) : IClassFixture<RegistryFixture>, IDisposable
{
    private readonly RawClient _raw = new(fixture.Registry.Host);

    [Fact]
    public async Task Blob_is_mounted_from_its_source()
    {
        var bytes = OciLayout.Noise(9, 60_000);
        var digest = Described.Sha256(bytes);
        using (var pushed = await _raw.PushBlobAsync("conformance/mount-source", bytes))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);

        using var mounted = await _raw.SendAsync(
            HttpMethod.Post, $"/v2/conformance/mount-target/blobs/uploads/?mount={digest}&from=conformance/mount-source",
            RawClient.Body([]));

        await RawClient.ExpectAsync(mounted, HttpStatusCode.Created);
        using var served = await _raw.GetAsync($"/v2/conformance/mount-target/blobs/{digest}");
        Assert.Equal(bytes, await served.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public virtual async Task Blob_is_mounted_without_a_source_from_the_repository_that_received_it_last()
    {
        var bytes = OciLayout.Noise(12, 60_000);
        var digest = Described.Sha256(bytes);
        using (var pushed = await _raw.PushBlobAsync("conformance/mount-source", bytes))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);

        using var mounted = await _raw.SendAsync(
            HttpMethod.Post, $"/v2/conformance/mount-anonymous/blobs/uploads/?mount={digest}", RawClient.Body([]));

        await RawClient.ExpectAsync(mounted, HttpStatusCode.Created);
        using var served = await _raw.GetAsync($"/v2/conformance/mount-anonymous/blobs/{digest}");
        Assert.Equal(bytes, await served.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Mount_of_a_blob_that_the_source_does_not_have_opens_an_upload()
    {
        using var answer = await _raw.SendAsync(
            HttpMethod.Post, $"/v2/conformance/mount-target/blobs/uploads/?mount={Described.Sha256("nowhere"u8)}&from=conformance/nowhere",
            RawClient.Body([]));

        await RawClient.ExpectAsync(answer, HttpStatusCode.Accepted);
        Assert.NotNull(answer.Headers.Location);
    }

    public void Dispose()
    {
        _raw.Dispose();
        GC.SuppressFinalize(this);
    }
}
