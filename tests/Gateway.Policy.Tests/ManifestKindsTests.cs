using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>The kind of a manifest is what it consists of.</summary>
public sealed class ManifestKindsTests
{
    private static void Is(ManifestKind kind, params Manifest[] manifests) =>
        Assert.All(manifests, manifest => Assert.Equal(kind, ManifestKinds.Of(manifest)));

    [Fact]
    public void Images_have_an_images_config() => Is(ManifestKind.Image, Image, DockerImage, Encrypted, Artifact(MediaTypes.OciConfig));

    [Fact]
    public void Indexes_are_indexes() => Is(ManifestKind.Index, Index(), new Manifest(MediaTypes.DockerList));

    [Fact]
    public void Other_things_are_artifacts() => Is(ManifestKind.Artifact, Wasm, Sif, HelmChart, OrasFile, Artifact(MediaTypes.OciEmpty));

    [Fact]
    public void Signatures_and_attestations_are_evidence_in_every_form() => Is(
        ManifestKind.Evidence,
        CosignSignature,
        CosignBundle,
        Notation,
        Artifact(MediaTypes.OciConfig, "application/vnd.dsse.envelope.v1+json"),
        Artifact(MediaTypes.OciConfig, "text/spdx+json"),
        Artifact(MediaTypes.OciConfig, "application/vnd.in-toto+json", "application/vnd.in-toto+json"),
        Artifact("application/vnd.dev.cosign.artifact.sig.v1+json", SimpleSigning) with { Subject = Descriptor(MediaTypes.OciManifest) });

    [Fact]
    public void Evidence_with_anything_else_in_it_is_no_evidence()
    {
        Is(ManifestKind.Image, Artifact(MediaTypes.OciConfig, SimpleSigning, Gzip));
        Is(ManifestKind.Artifact, CosignBundle with { Layers = [Descriptor(Bundle), Descriptor("application/wasm")] });
        Is(ManifestKind.Artifact, CosignBundle with { Layers = [] }, CosignBundle with { Subject = null });
        Is(ManifestKind.Artifact, Wasm with { Subject = Descriptor(MediaTypes.OciManifest), ArtifactType = Bundle });
    }
}
