using System.Text;
using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Manifests by digest: read whole, verified, and stored only if the gate admits them.</summary>
public sealed class ManifestTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 51);

    [Fact]
    public async Task Cold_manifest_is_fetched_once_for_concurrent_requests()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, null, Layer);
        var reads = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => ReadAsync(rig, image.Digest))));
        Assert.All(reads, r => Assert.Equal(image.Manifest, Assert.IsType<Result<StoredManifest>.Found>(r).Value.Bytes.ToArray()));
        Assert.All(reads, r => Assert.False(((Result<StoredManifest>.Found)r).Value.IsStored));
        Assert.Single(rig.Hub.Requests);
        Assert.Null(await rig.Backing.ReadLinkAsync(Rig.D(image.Digest), LinkKind.Manifest, default));
    }

    [Fact]
    public async Task Manifest_with_another_digest_than_requested_is_never_served()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, null, Layer);
        rig.Hub.When(_ => true).Flip(at: 20).Once();
        Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, image.Digest));
        Assert.IsType<Result<StoredManifest>.Found>(await ReadAsync(rig, image.Digest));
    }

    [Fact]
    public async Task Digest_header_does_not_replace_the_check_of_the_bytes()
    {
        await using var rig = await Rig.StartAsync();
        var (wanted, other) = (rig.Hub.AddImage(Rig.Name, null, Layer), rig.Hub.AddImage(Rig.Name, "v1", Layer));
        rig.Hub.When(r => r.IsManifest(wanted.Digest))
            .Respond(200, Encoding.UTF8.GetString(other.Manifest), MediaTypes.OciManifest).ClaimDigest(wanted.Digest);
        Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, wanted.Digest));
    }

    [Theory]
    [InlineData("application/vnd.oci.image.index.v1+json")]
    [InlineData("application/vnd.docker.distribution.manifest.v1+prettyjws")]
    public async Task Type_that_contradicts_the_body_is_refused(string type)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, null, Layer);
        rig.Hub.When(_ => true).ClaimType(type);
        Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, image.Digest));
    }

    [Fact]
    public async Task Manifest_above_4_MiB_is_refused()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddManifest(Rig.Name, new byte[(4 << 20) + 1], MediaTypes.OciManifest);
        Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, digest));
    }

    [Fact]
    public async Task Truncated_manifest_is_unavailable()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, null, Layer);
        rig.Hub.When(_ => true).Cut(after: 50).Once();
        Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, image.Digest));
    }

    [Fact]
    public async Task Absent_manifest_is_cached_as_absent()
    {
        await using var rig = await Rig.StartAsync();
        var digest = ScriptedUpstream.DigestOf("nothing"u8);
        for (var i = 0; i < 3; i++) Assert.IsType<Result<StoredManifest>.Absent>(await ReadAsync(rig, digest));
        Assert.Single(rig.Hub.Requests);
    }

    private static async Task<Result<StoredManifest>> ReadAsync(Rig rig, string digest) =>
        await rig.Backing.ReadManifestAsync(Rig.D(digest), default);
}
