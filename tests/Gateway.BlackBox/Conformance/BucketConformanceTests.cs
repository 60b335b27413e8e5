using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Conformance;

/// <summary>The same behavior when each request is answered by another gateway of one bucket.</summary>
public sealed class BucketBlobConformanceTests(BucketFixture fixture) : BlobConformanceTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketBlobConformanceTests"/>.</summary>
public sealed class BucketListConformanceTests(BucketFixture fixture) : ListConformanceTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketBlobConformanceTests"/>.</summary>
public sealed class BucketManifestConformanceTests(BucketFixture fixture)
    : ManifestConformanceTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketBlobConformanceTests"/>.</summary>
public sealed class BucketMountConformanceTests(BucketFixture fixture) : MountConformanceTests(fixture), IClassFixture<BucketFixture>
{
    private readonly BucketFixture _fixture = fixture;

    /// <summary>
    /// Only the gateway that received a blob remembers it without its repository; another one opens an upload (spec: 202).
    /// </summary>
    public override async Task Blob_is_mounted_without_a_source_from_the_repository_that_received_it_last()
    {
        using var raw = new RawClient(_fixture.Registry.Host);
        var blob = OciLayout.Noise(90, 1000);
        using var pushed = await raw.PushBlobAsync("conformance/mount-here", blob);
        using var opened = await raw.SendAsync(
            HttpMethod.Post, $"/v2/conformance/mount-there/blobs/uploads/?mount={Described.Sha256(blob)}", RawClient.Body([]));
        Assert.True(opened.StatusCode is HttpStatusCode.Created or HttpStatusCode.Accepted, $"got {opened.StatusCode}");
    }
}
