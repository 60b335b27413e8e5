using System.Collections.Immutable;
using System.Text;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Bytes match their media type, layers match the config, and ambiguous configs are not read.</summary>
public sealed class MediaTests
{
    private static readonly RequireOptions Truthful = new() { TruthfulMedia = [.. Enum.GetValues<MediaClaim>()] };

    private static readonly Content TarInGzip = new(Packing.Gzip, ContentForm.Tar, null);

    private static PolicyInput Bytes(Manifest manifest, params (string Type, Content Content)[] contents) =>
        Question(manifest).With(facts => facts with
    {
        Contents = contents.ToImmutableDictionary(static c => Descriptor(c.Type).Digest, static c => c.Content),
    });

    public static TheoryData<string, Packing, ContentForm, bool> Claims => new()
    {
        { Gzip, Packing.Gzip, ContentForm.Tar, true },
        { Gzip, Packing.None, ContentForm.Tar, false },
        { Gzip, Packing.Zstd, ContentForm.Tar, false },
        { Gzip, Packing.Gzip, ContentForm.Other, false },
        { Gzip, Packing.Gzip, ContentForm.Json, false },
        { Zstd, Packing.Zstd, ContentForm.Tar, true },
        { Zstd, Packing.Gzip, ContentForm.Tar, false },
        { DockerLayer, Packing.Gzip, ContentForm.Tar, true },
        { DockerLayer, Packing.None, ContentForm.Other, false },
        { Chart, Packing.Gzip, ContentForm.Tar, true },
        { "application/tar+gzip", Packing.Gzip, ContentForm.Other, false },
        { "application/vnd.oci.image.layer.v1.tar", Packing.None, ContentForm.Tar, true },
        { "application/vnd.oci.image.layer.v1.tar", Packing.Gzip, ContentForm.Tar, false },
        { "application/vnd.oci.image.layer.v1.tar", Packing.None, ContentForm.Other, false },
        { Bundle, Packing.None, ContentForm.Json, true },
        { Bundle, Packing.None, ContentForm.Other, false },
        { SifLayer, Packing.None, ContentForm.Other, true },
        { "application/wasm", Packing.Gzip, ContentForm.Other, true },
    };

    [Theory]
    [MemberData(nameof(Claims))]
    public void Content_that_contradicts_its_media_type_is_refused(string type, Packing packing, ContentForm form, bool admitted)
    {
        var verdict = Truthful.Ask(Bytes(Artifact("a/b", type), (type, new(packing, form, null))));
        Assert.Equal(admitted ? [] : [ReasonCodes.MediaUntruthful], verdict.Codes());
    }

    [Fact]
    public void Only_the_listed_claims_are_checked()
    {
        var input = Bytes(Artifact("a/b", Gzip), (Gzip, new(Packing.None, ContentForm.Other, null)));
        Assert.True(new RequireOptions { TruthfulMedia = [MediaClaim.Zstd, MediaClaim.Json] }.Ask(input).Admits);
        Assert.False(new RequireOptions { TruthfulMedia = [MediaClaim.Gzip] }.Ask(input).Admits);
    }

    [Fact]
    public void Flaw_in_the_compression_is_reported() => Assert.Contains(
        "followed by 7 other bytes",
        Assert.Single(Truthful.Ask(Bytes(Artifact("a/b", Gzip), (Gzip, TarInGzip with { Flaw = "followed by 7 other bytes" }))).Reasons)
            .Message,
        StringComparison.Ordinal);

    [Fact]
    public void Content_after_an_uncompressed_archive_is_reported_too()
    {
        const string Plain = "application/vnd.oci.image.layer.v1.tar";
        var input = Bytes(Artifact("a/b", Plain), (Plain, new(Packing.None, ContentForm.Tar, "followed by other bytes")));
        Assert.Equal([ReasonCodes.MediaUntruthful], Truthful.Ask(input).Codes());
        Assert.True(new RequireOptions { TruthfulMedia = [MediaClaim.Gzip] }.Ask(input).Admits);
    }

    [Fact]
    public void Unreadable_bytes_give_a_finding_of_their_own_and_are_read_again()
    {
        var verdict = Truthful.Ask(Bytes(Artifact("a/b", Gzip), (Gzip, Content.Unread("is still being looked through"))));
        var reason = Assert.Single(verdict.Reasons);
        Assert.Equal(ReasonCodes.MediaOpaque, reason.Code);
        Assert.Contains("is still being looked through; try again", reason.Message, StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromMinutes(1), verdict.Until - Bytes(Image).Now);
    }

    [Fact]
    public void Verdict_without_the_bytes_is_valid_for_one_minute_when_their_type_claims_anything()
    {
        Assert.Equal(TimeSpan.FromMinutes(1), Truthful.Ask(Bytes(Artifact("a/b", Gzip))).Until - Bytes(Image).Now);
        Assert.Null(Truthful.Ask(Bytes(Artifact("a/b", SifLayer))).Until);
        Assert.Null(Truthful.Ask(Bytes(Artifact("a/b", Gzip), (Gzip, TarInGzip))).Until);
    }

    [Theory]
    [InlineData(RuleMode.Enforce, true)]
    [InlineData(RuleMode.Warn, false)]
    [InlineData(RuleMode.Audit, false)]
    public void Only_an_enforced_rule_needs_bytes_that_are_not_stored(RuleMode mode, bool expected)
    {
        var rule = new RuleOptions { Id = "a", Mode = mode, Require = Truthful };
        var needs = new PolicyEngine(new() { Default = Outcome.Allow, Rules = [rule] }).Needs(Question(Image));
        Assert.True(needs.HasFlag(FactKinds.Contents));
        Assert.Equal(expected, needs.HasFlag(FactKinds.AbsentContents));
    }

    [Fact]
    public void Encrypted_layer_is_opaque_and_absent_bytes_are_evaluated_later()
    {
        Assert.Equal([ReasonCodes.MediaOpaque], Truthful.Ask(Bytes(Encrypted)).Codes());
        Assert.True(Truthful.Ask(Bytes(Image)).Admits);
    }

    [Fact]
    public void Index_that_contradicts_the_config_of_its_image_is_refused()
    {
        var child = Descriptor(MediaTypes.OciManifest) with { Digest = DigestOf(Image), Platform = new("linux", "amd64", null) };
        var index = Index(Image) with { Children = [child] };
        Assert.True(Truthful.Ask(Question(index, Image).WithConfigs((Image, Runs("linux", "amd64")))).Admits);
        var reason = Assert.Single(Truthful.Ask(Question(index, Image).WithConfigs((Image, Runs("windows", "amd64")))).Reasons);
        Assert.Equal((ReasonCodes.PlatformMismatch, "windows/amd64", "linux/amd64"), (reason.Code, reason.Expected, reason.Found));
    }

    private static readonly RequireOptions Checked = new() { LayerDigestCheck = true };

    private static PolicyInput Layers(string found, params string[] named) =>
        Bytes(
            Artifact(MediaTypes.OciConfig, Gzip),
            (Gzip, TarInGzip with { DiffId = found.Length == 0 ? default : Digest.Of(Encoding.UTF8.GetBytes(found)) }))
            is var input ? input.With(facts => facts with
            {
                Configs = facts.Configs.Add(
                    input.Digest,
                    Runs("linux", "amd64") with { DiffIds = [.. named.Select(static n => Digest.Of(Encoding.UTF8.GetBytes(n)))] }),
            }) : throw new InvalidOperationException();

    [Fact]
    public void Unpacked_layer_with_another_digest_than_the_config_names_is_refused()
    {
        Assert.True(Checked.Ask(Layers("one", "one")).Admits);
        Assert.Equal([ReasonCodes.LayerDigest], Checked.Ask(Layers("one", "other")).Codes());
        Assert.Equal([ReasonCodes.LayerDigest], Checked.Ask(Layers("", "one")).Codes());
        Assert.Equal([ReasonCodes.LayerDigest], Checked.Ask(Layers("one", "one", "two")).Codes());
        Assert.True(Checked.Ask(Question(Artifact(MediaTypes.OciConfig, Gzip))).Admits);
        Assert.True(Checked.Ask(Question(HelmChart)).Admits);
    }

    [Fact]
    public void Layer_that_cannot_be_compared_is_refused()
    {
        static string[] Codes(Descriptor layer, Content? content, Digest named)
        {
            var image = Artifact(MediaTypes.OciConfig) with { Layers = [layer] };
            var asked = Question(image).With(facts => content is null ? facts : facts with
            {
                Contents = ImmutableDictionary<Digest, Content>.Empty.Add(layer.Digest, content),
            });
            var verdict = Checked.Ask(asked.WithConfigs((image, Runs("linux", "amd64") with { DiffIds = [named] })));
            return [.. verdict.Codes().Where(static code => code != ReasonCodes.ForeignLayer)];
        }
        var (one, tar) = (Digest.Of("one"u8), TarInGzip with { DiffId = Digest.Of("one"u8) });
        Assert.Empty(Codes(Descriptor(Gzip), tar, one));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(Descriptor(Gzip), tar, Digest.Of("other"u8, DigestAlgorithm.Sha512)));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(Descriptor(Gzip), tar, Digest.Of("one"u8, DigestAlgorithm.Sha512)));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(Descriptor(Gzip + "+encrypted"), tar, one));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(Descriptor(Gzip, "https://host.example/layer"), null, one));
        Assert.Empty(Codes(Descriptor(Gzip, "https://host.example/layer"), tar, one));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(Descriptor("x/unknown"), tar, Digest.Of("other"u8)));
        Assert.Empty(Codes(Descriptor("x/unknown"), tar, one));
        Assert.Equal([ReasonCodes.MediaOpaque], Codes(Descriptor("x/unknown"), Content.Unread("is still being looked through"), one));
    }

    [Fact]
    public void Layers_of_images_are_checked_whatever_their_media_types_claim() =>
        Assert.True(new PolicyEngine(PolicyOf(null, new RuleOptions { Id = "a", Require = Checked })).Needs(Question(Image))
            .HasFlag(FactKinds.LayerContents));

    [Fact]
    public void Foreign_layer_is_opaque_when_its_claim_is_checked()
    {
        var image = Artifact(MediaTypes.OciConfig) with { Layers = [Descriptor(Gzip, "https://host.example/layer")] };
        Assert.Contains(ReasonCodes.MediaOpaque, new RequireOptions { TruthfulMedia = [MediaClaim.Tar] }.Ask(Bytes(image)).Codes());
        var others = new RequireOptions { TruthfulMedia = [MediaClaim.Zstd, MediaClaim.Json] };
        Assert.DoesNotContain(ReasonCodes.MediaOpaque, others.Ask(Bytes(image)).Codes());
        Assert.DoesNotContain(ReasonCodes.MediaOpaque, Truthful.Ask(Bytes(image, (Gzip, TarInGzip))).Codes());
    }

    [Fact]
    public void Unreadable_config_names_no_layers() => Assert.Equal(
        [ReasonCodes.LayerDigest],
        Checked.Ask(Bytes(Artifact(MediaTypes.OciConfig, Gzip), (MediaTypes.OciConfig, new(Packing.None, ContentForm.Json, null))))
            .Codes());

    private static ImageConfig? Read(string json) => ImageConfigReader.Read(Encoding.UTF8.GetBytes(json));

    [Fact]
    public void Config_fields_that_rules_need_are_read()
    {
        var id = Digest.Of("layer"u8);
        var config = Read($$"""
            {"architecture":"arm","os":"linux","variant":"v7","config":{"Labels":{"a":"b"},"Env":["X=1"]},"rootfs":{"type":"layers","diff_ids":["{{id}}"]},"history":[]}
            """);
        Assert.Equal(
            ("linux", "arm", "v7", "b", id), (config!.Os, config.Architecture, config.Variant, config.Labels["a"], config.DiffIds[0]));
        Assert.Equal(("", ""), (Read("{}")!.Os, Read("""{"config":null,"rootfs":null}""")!.Architecture));
        Assert.Empty(Read("""{"config":{"Labels":null}}""")!.Labels);
    }

    [Theory]
    [InlineData("""{"os":"linux","os":"windows"}""")]
    [InlineData("""{"os":"linux","OS":"windows"}""")]
    [InlineData("""{"os":"linux","o\u017f":"windows"}""")]
    [InlineData("""{"config":{"labels":{"a":"b"}}}""")]
    [InlineData("""{"os":7}""")]
    [InlineData("""{"rootfs":{"diff_ids":["sha256:zz"]}}""")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("")]
    public void Ambiguous_config_is_not_read(string json) => Assert.Null(Read(json));

    [Fact]
    public void Config_over_the_limits_of_size_or_depth_is_not_read()
    {
        Assert.Null(Read("{\"a\":\"" + new string('x', ImageConfigReader.MaxBytes) + "\"}"));
        Assert.Null(Read(string.Concat(Enumerable.Repeat("{\"a\":", 100)) + "1" + new string('}', 100)));
    }
}
