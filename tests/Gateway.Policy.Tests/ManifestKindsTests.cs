using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Media;
using Gateway.Policy.Tests.Requirements;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>The kind of a manifest depends on what a client could do with it.</summary>
public sealed class ManifestKindsTests
{
    private static readonly Manifest Costume = Artifact(MediaTypes.OciConfig, "text/spdx");

    private static void Is(ManifestKind kind, params Manifest[] manifests) =>
        Assert.All(manifests, manifest => Assert.Equal(kind, KindOf(manifest)));

    [Fact]
    public void Manifest_with_an_image_config_is_an_image() => Is(
        ManifestKind.Image, Image, DockerImage, Encrypted, Artifact(MediaTypes.OciConfig),
        Artifact("Application/vnd.OCI.image.config.v1+JSON"));

    [Fact]
    public void Index_is_of_kind_index() => Is(ManifestKind.Index, Index(), new Manifest(MediaTypes.DockerList));

    [Fact]
    public void Other_manifest_is_an_artifact() => Is(
        ManifestKind.Artifact, Wasm, Sif, HelmChart, SignedHelmChart, Artifact(MediaTypes.OciEmpty),
        Artifact("application/vnd.cncf.flux.config.v1+json", "application/vnd.cncf.flux.content.v1.tar+gzip"));

    [Theory]
    [InlineData(Gzip)]
    [InlineData(Zstd)]
    [InlineData(DockerLayer)]
    [InlineData("application/vnd.oci.image.layer.v1.tar")]
    [InlineData("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")]
    [InlineData("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]
    public void Manifest_with_an_image_layer_is_an_image_whatever_its_config(string layer) => Is(
        ManifestKind.Image,
        Artifact("application/vnd.docker.plugin.v1+json", layer),
        Artifact(MediaTypes.OciEmpty, "application/wasm", layer) with { ArtifactType = "a/b" },
        Artifact("a/b", layer) with { Subject = Descriptor(MediaTypes.OciManifest) });

    [Fact]
    public void Manifest_with_a_layer_that_oras_unpacks_is_an_image()
    {
        var layer = Descriptor("a/b") with
        {
            Annotations = ImmutableSortedDictionary<string, string>.Empty.Add("io.deis.oras.content.unpack", "true"),
        };
        Is(ManifestKind.Image, Artifact("a/b") with { Layers = [layer] });
    }

    [Fact]
    public void Signatures_and_attestations_are_evidence_in_every_form() => Is(
        ManifestKind.Evidence,
        CosignSignature,
        CosignBundle,
        Notation,
        Notation with { Layers = [Descriptor("application/cose")] },
        Artifact(MediaTypes.OciConfig, "application/vnd.dsse.envelope.v1+json"),
        Artifact(MediaTypes.OciConfig, "text/spdx+json"),
        Artifact(MediaTypes.OciConfig, "application/vnd.in-toto+json", "application/vnd.in-toto+json"),
        Artifact("application/vnd.dev.cosign.artifact.sig.v1+json", SimpleSigning) with { Subject = Descriptor(MediaTypes.OciManifest) });

    [Fact]
    public void Evidence_with_any_other_layer_is_not_evidence()
    {
        Is(ManifestKind.Image, Artifact(MediaTypes.OciConfig, SimpleSigning, Gzip));
        Is(ManifestKind.Artifact, CosignBundle with { Layers = [Descriptor(Bundle), Descriptor("application/wasm")] });
        Is(ManifestKind.Artifact, CosignBundle with { Layers = [] }, CosignBundle with { Subject = null });
        Is(ManifestKind.Artifact, Wasm with { Subject = Descriptor(MediaTypes.OciManifest), ArtifactType = Bundle });
        // COSE is binary, and with an image's config a client could start to read anywhere in it.
        Is(ManifestKind.Image, Artifact(MediaTypes.OciConfig, "application/cose"));
        Is(ManifestKind.Image, Artifact(MediaTypes.OciConfig) with
        {
            Layers = [Descriptor("text/spdx") with { Size = ManifestKinds.MaxEvidenceBytes + 1 }],
        });
    }

    [Theory]
    [InlineData(DocumentForm.None)]
    [InlineData(DocumentForm.Cose)]
    [InlineData(null)]
    public void Evidence_whose_bytes_are_not_a_plain_document_or_unread_is_an_image(DocumentForm? form)
    {
        var documents = ImmutableDictionary<Digest, DocumentForm>.Empty;
        if (form is { } found) documents = documents.Add(Costume.Layers[0].Digest, found);
        Assert.Equal(ManifestKind.Image, ManifestKinds.Of(Costume, documents));
        Assert.Equal(ManifestKind.Image, ManifestKinds.Of(
            CosignBundle, form is { } one ? documents.Add(CosignBundle.Layers[0].Digest, one) : documents));
        Assert.Equal(form is null, ManifestKinds.IsUndecided(Costume, documents));
        Assert.Equal(ManifestKind.Index, ManifestKinds.Of(Index(Costume), documents, [(DigestOf(Costume), Costume)]));
    }

    [Fact]
    public void Image_disguised_as_evidence_is_evaluated_by_every_rule()
    {
        var rule = new RequireOptions { Platforms = new() { OnlyOs = ["linux"] }, LayerDigestCheck = true };
        var asked = Asking.Question(Costume) with
        {
            Documents = ImmutableDictionary<Digest, DocumentForm>.Empty.Add(Costume.Layers[0].Digest, DocumentForm.None),
        };
        Assert.Contains(ReasonCodes.PlatformOs, rule.Ask(asked.WithConfigs((Costume, Asking.Runs("windows", "amd64")))).Codes());
        Assert.Contains(ReasonCodes.LayerDigest, rule.Ask(asked.WithConfigs((Costume, Asking.Runs("linux", "amd64")))).Codes());
    }

    [Fact]
    public void Verdict_about_unread_bytes_is_valid_for_one_minute()
    {
        var undecided = Asking.Question(Costume) with { Documents = ImmutableDictionary<Digest, DocumentForm>.Empty };
        Assert.Equal(Asking.Now + TimeSpan.FromMinutes(1), new RequireOptions().Ask(undecided).Until);
        Assert.Null(new RequireOptions().Ask(Asking.Question(Costume)).Until);
    }
}
