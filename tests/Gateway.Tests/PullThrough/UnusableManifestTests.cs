using System.Text;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Manifests of an upstream: their media types in headers, and manifests that can never be accepted.</summary>
public sealed class UnusableManifestTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 74);

    /// <summary>Types that stores and proxies give to every file (goharbor/harbor#7853, go-containerregistry#617).</summary>
    [Theory]
    [InlineData("binary/octet-stream")]
    [InlineData("application/octet-stream")]
    [InlineData("application/json")]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("text/plain")]
    [InlineData("text/plain;charset=UTF-8")]
    [InlineData("application/vnd.oci.image.manifest.v1+json; charset=utf-8")]
    [InlineData("Application/vnd.OCI.image.manifest.v1+JSON")]
    [InlineData("application/vnd.example.unknown+json")]
    [InlineData("not a type")]
    [InlineData(null)]
    public async Task Manifest_type_is_taken_from_the_body_if_the_header_is_generic(string? type)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, "application/vnd.test");
        var isOfList = type?.Contains("image.manifest", StringComparison.OrdinalIgnoreCase) != true;
        rig.Hub.When(r => r.IsAnyManifest || (r.IsReferrers && isOfList)).Header("Content-Type", type);
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        var found = await rig.Gate.GetManifestAsync(Rig.Caller, new(Rig.D(image.Digest)), default);
        Assert.Equal(MediaTypes.OciManifest, Assert.IsType<Answer<StoredManifest>.Found>(found).Value.Manifest.MediaType);
        var listed = await rig.Backing.ReferrersAsync(Rig.D(image.Digest), default);
        Assert.Equal(signature, Assert.Single(Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(listed).Value).Digest.ToString());
    }

    [Theory]
    [InlineData("""{"schemaVersion":2}""", MediaTypes.OciManifest)]
    [InlineData("not json", MediaTypes.OciManifest)]
    [InlineData("""{"schemaVersion":1,"fsLayers":[],"history":[]}""", MediaTypes.DockerSchema1Signed)]
    [InlineData("""{"schemaVersion":1,"fsLayers":[],"history":[]}""", "application/json")]
    [InlineData("""{"schemaVersion":2,"manifests":[]}""", MediaTypes.OciManifest)]
    public async Task Unusable_manifest_is_a_final_answer_and_costs_one_GET(string body, string type)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddManifest(Rig.Name, Encoding.UTF8.GetBytes(body), type, "v1");
        await OneGetAsync(rig, digest);
    }

    [Fact]
    public async Task Too_large_manifest_is_a_final_answer_and_costs_one_GET()
    {
        await using var rig = await Rig.StartAsync();
        await OneGetAsync(rig, rig.Hub.AddManifest(Rig.Name, new byte[(4 << 20) + 1], MediaTypes.OciManifest, "v1"));
    }

    private static async Task OneGetAsync(Rig rig, string digest)
    {
        for (var i = 0; i < 3; i++)
        {
            foreach (var reference in new Reference[] { new(TagName.Parse("v1")), new(Rig.D(digest)) })
            {
                var answer = Assert.IsType<Answer<StoredManifest>.Unavailable>(
                    await rig.Gate.GetManifestAsync(Rig.Caller, reference, default));
                Assert.True(answer.Handling.IsFinal, answer.Why);
            }
            rig.Clock.Advance(TimeSpan.FromMinutes(6));
        }
        Assert.Single(rig.Hub.Requests, r => r.IsGet);
    }

    [Fact]
    public async Task Refused_request_is_a_final_answer_and_a_temporary_failure_is_not()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, null, Layer);
        rig.Hub.When(r => r.IsGet && r.IsAnyManifest).Respond(400).Once();
        Assert.True(Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, image.Digest)).Handling.IsFinal);
        rig.Hub.When(r => r.IsGet && r.IsAnyManifest).Respond(500).Once();
        Assert.False(Assert.IsType<Result<StoredManifest>.Unavailable>(await ReadAsync(rig, image.Digest)).Handling.IsFinal);
        Assert.IsType<Result<StoredManifest>.Found>(await ReadAsync(rig, image.Digest));
    }

    [Fact]
    public async Task Status_410_is_absent()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(_ => true).Respond(410);
        var digest = ScriptedUpstream.DigestOf("x"u8);
        Assert.IsType<Result<StoredManifest>.Absent>(await ReadAsync(rig, digest));
        Assert.IsType<Result<IContent>.Absent>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        Assert.IsType<Result<Page<TagName>>.Absent>(await rig.Backing.TagsAfterAsync(null, 10, default));
        Assert.Equal("Absent", await rig.PullTagAsync());
    }

    [Theory]
    [InlineData(501)]
    [InlineData(406)] // Artifactory (go-containerregistry#1962)
    [InlineData(400)]
    [InlineData(405)]
    [InlineData(410)]
    public async Task Upstream_that_refuses_the_referrers_API_lists_under_the_fallback_tag(int status)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, "application/vnd.test");
        rig.Hub.WriteFallbackTag(Rig.Name, image.Digest);
        rig.Hub.When(r => r.IsReferrers).Respond(status);
        for (var i = 0; i < 2; i++)
        {
            var listed = await rig.Backing.ReferrersAsync(Rig.D(image.Digest), default);
            Assert.Equal(signature, Assert.Single(Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(listed).Value).Digest.ToString());
        }
        Assert.Equal(1, rig.Hub.Count(r => r.IsReferrers));
        // The failure did not count for the breaker.
        Assert.Equal(image.Digest, await rig.PullTagAsync());
    }

    [Theory]
    [InlineData(1024, 3 << 20, false)]
    [InlineData(4 << 20, 3 << 20, true)]
    [InlineData(1024, 1000, true)]
    public async Task Annotation_limits_apply_to_upstreams_as_to_pushes(int limit, int length, bool taken)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var annotated = Encoding.UTF8.GetString(image.Manifest)[..^1] + $$$""","annotations":{"a":"{{{new string('x', length)}}}"}}""";
        var digest = rig.Hub.AddManifest(Rig.Name, Encoding.UTF8.GetBytes(annotated), MediaTypes.OciManifest);
        var backing = rig.Pull(Rig.Name, limits: new ManifestLimits { MaxAnnotationBytes = limit });
        Assert.Equal(taken, await backing.ReadManifestAsync(Rig.D(digest), default) is Result<StoredManifest>.Found);
    }

    [Fact]
    public async Task Changed_annotation_limit_takes_effect_at_once_in_both_directions()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var large = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(image.Manifest) + new string(' ', 5 << 20));
        var digest = rig.Hub.AddManifest(Rig.Name, large, MediaTypes.OciManifest);
        foreach (var (limit, taken) in new[] { (4 << 20, false), (8 << 20, true), (4 << 20, false) })
        {
            var backing = rig.Pull(Rig.Name, limits: new ManifestLimits { MaxBytes = limit });
            Assert.Equal(taken, await backing.ReadManifestAsync(Rig.D(digest), default) is Result<StoredManifest>.Found);
        }
        Assert.Equal(2, rig.Hub.Requests.Count);
    }

    [Fact]
    public async Task Annotation_limits_apply_to_each_entry_of_a_list_of_referrers()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        static string Entry(int i, int length) =>
            $$$"""
            {"mediaType":"{{{MediaTypes.OciManifest}}}","digest":"sha256:{{{i:x64}}}","size":9,
             "annotations":{"a":"{{{new string('x', length)}}}"}}
            """;
        var entries = string.Join(',', Enumerable.Range(1, 10).Select(i => Entry(i, 900)).Append(Entry(11, 2000)));
        rig.Hub.When(r => r.IsReferrers)
            .Respond(200, $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{entries}}]}""", MediaTypes.OciIndex);
        var backing = rig.Pull(Rig.Name, limits: new ManifestLimits { MaxAnnotationBytes = 1024 });
        var listed = await backing.ReferrersAsync(Rig.D(image.Digest), default);
        Assert.Equal(10, Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(listed).Value.Count);
    }

    private static async Task<Result<StoredManifest>> ReadAsync(Rig rig, string digest) =>
        await rig.Backing.ReadManifestAsync(Rig.D(digest), default);
}
