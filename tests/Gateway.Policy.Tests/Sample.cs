using System.Collections.Immutable;
using System.Text;
using Gateway.Oci;

namespace Gateway.Policy.Tests;

/// <summary>Manifests as real clients write them (types only), and inputs for the engine.</summary>
internal static class Sample
{
    public const string Gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    public const string Zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    public const string Chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    public const string Provenance = "application/vnd.cncf.helm.chart.provenance.v1.prov";
    public const string SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";
    public const string Bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    public const string WasmConfig = "application/vnd.wasm.config.v0+json";
    public const string SifConfig = "application/vnd.sylabs.sif.config.v1+json";
    public const string SifLayer = "application/vnd.sylabs.sif.layer.v1.sif";
    public const string DockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    public static readonly Manifest Image = Artifact(MediaTypes.OciConfig, Gzip, Zstd);
    public static readonly Manifest DockerImage = Artifact(ArtifactTypeDefaults.DockerConfig, DockerLayer)
        with { MediaType = MediaTypes.DockerManifest };
    public static readonly Manifest HelmChart = Artifact(ArtifactTypeDefaults.HelmConfig, Chart);
    public static readonly Manifest SignedHelmChart = Artifact(ArtifactTypeDefaults.HelmConfig, Chart, Provenance);
    public static readonly Manifest CosignSignature = Artifact(MediaTypes.OciConfig, SimpleSigning, SimpleSigning);
    public static readonly Manifest CosignBundle = Artifact(MediaTypes.OciEmpty, Bundle)
        with { ArtifactType = Bundle, Subject = Descriptor(MediaTypes.OciManifest) };
    public static readonly Manifest Sif = Artifact(SifConfig, SifLayer);
    public static readonly Manifest Wasm = Artifact(WasmConfig, "application/wasm");
    public static readonly Manifest Encrypted = Artifact(MediaTypes.OciConfig, Gzip, Gzip + "+encrypted");
    public static readonly Manifest Notation = Artifact("application/vnd.cncf.notary.signature", "application/jose+json")
        with { Subject = Descriptor(MediaTypes.OciManifest) };
    public static readonly Manifest OrasFile = Artifact(MediaTypes.OciEmpty, "application/vnd.oci.image.layer.v1.tar")
        with { ArtifactType = "application/vnd.unknown.artifact.v1" };

    public static Manifest Artifact(string config, params string[] layers) =>
        new(MediaTypes.OciManifest) { Config = Descriptor(config), Layers = [.. layers.Select(static layer => Descriptor(layer))] };

    public static Manifest Index(params Manifest[] children) => new(MediaTypes.OciIndex)
    {
        Children = [.. children.Select(static child => Descriptor(child.MediaType) with { Digest = DigestOf(child) })],
    };

    public static Descriptor Descriptor(string mediaType, params string[] urls) =>
        new(mediaType, Digest.Of(Encoding.UTF8.GetBytes(mediaType)), mediaType.Length) { Urls = [.. urls] };

    // Any value that is the same for the same manifest object.
    public static Digest DigestOf(Manifest manifest) =>
        Digest.Of(BitConverter.GetBytes(System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(manifest)));

    public static PolicyInput Input(Manifest manifest, params Manifest[] descendants) => new(
        RepositoryName.Parse("team/app"), null, Stage.Push, DigestOf(manifest), manifest,
        [.. descendants.Select(static d => (DigestOf(d), d))])
    {
        Documents = ManifestKinds.Said([manifest, .. descendants]),
    };

    /// <summary>The kind of a manifest whose layers match their media types.</summary>
    public static ManifestKind KindOf(Manifest manifest) => ManifestKinds.Of(manifest, ManifestKinds.Said([manifest]));

    public static PolicyOptions PolicyOf(ArtifactTypeOptions? types = null, params RuleOptions[] rules) =>
        new() { Default = Outcome.Allow, ArtifactTypes = types, Rules = [.. rules] };

    public static ArtifactTypeOptions Types(params (string Key, string[] Layers)[] entries) =>
        new()
        {
            Allowed = entries.ToImmutableSortedDictionary(
                static e => e.Key, static e => e.Layers.ToImmutableArray(), StringComparer.Ordinal),
        };

    public static Verdict Evaluate(this PolicyOptions policy, Manifest manifest, params Manifest[] descendants) =>
        new PolicyEngine(policy).Evaluate(Input(manifest, descendants));

    public static Verdict Evaluate(this ArtifactTypeOptions types, Manifest manifest, params Manifest[] descendants) =>
        PolicyOf(types).Evaluate(manifest, descendants);
}
