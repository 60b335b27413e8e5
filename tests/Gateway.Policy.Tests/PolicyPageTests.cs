using System.Reflection;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>docs/policy.md agrees with the code.</summary>
public sealed class PolicyPageTests
{
    [Fact]
    public void Documented_list_admits_what_the_page_says()
    {
        Manifest[] offered =
        [
            Image, DockerImage, HelmChart, SignedHelmChart, CosignSignature, CosignBundle, Sif, Encrypted, Notation, OrasFile,
            Artifact(MediaTypes.OciConfig, Zstd + "+encrypted", "application/vnd.oci.image.layer.v1.tar+encrypted"),
            Artifact(MediaTypes.OciConfig, "application/vnd.dsse.envelope.v1+json"),
            Artifact(MediaTypes.OciConfig, "text/spdx+json"),
            Artifact("application/vnd.dev.cosign.artifact.sig.v1+json", SimpleSigning)
            with { ArtifactType = "application/vnd.dev.cosign.artifact.sig.v1+json" },
            Artifact("application/vnd.buildkit.cacheconfig.v0", Gzip, Zstd),
            Artifact(MediaTypes.OciEmpty, "application/vnd.in-toto+json") with
            {
                ArtifactType = "application/vnd.docker.attestation.manifest.v1+json", Subject = Descriptor(MediaTypes.OciManifest),
            },
        ];
        Assert.All(offered, static manifest => Assert.True(PolicyPage.Offered.Evaluate(manifest).Admits));
        Assert.False(PolicyPage.Offered.Evaluate(Wasm).Admits);
    }

    [Fact]
    public void Documented_list_contains_Quays_defaults() => Assert.All(ArtifactTypeDefaults.QuayAllowed, static entry =>
        Assert.Subset(PolicyPage.Offered.Allowed![entry.Key].ToHashSet(), entry.Value.ToHashSet()));

    [Fact]
    public void Every_preset_is_documented() => Assert.All(
        Enum.GetValues<ArtifactTypePreset>(),
        static preset => Assert.Contains($"| `{preset.ToString().ToLowerInvariant()}`", PolicyPage.Text, StringComparison.Ordinal));

    [Theory]
    [InlineData(typeof(ReasonCodes))]
    [InlineData(typeof(ProblemCodes))]
    public void Every_reason_code_is_documented(Type codes)
    {
        string[] values =
            [.. codes.GetFields(BindingFlags.Public | BindingFlags.Static).Select(static field => (string)field.GetRawConstantValue()!)];
        Assert.NotEmpty(values);
        Assert.All(values, static code => Assert.Contains($"`{code}`", PolicyPage.Text, StringComparison.Ordinal));
    }

    [Fact]
    public void First_refusal_in_the_documentation_is_the_exact_message() =>
        Assert.Contains($"`{Types().Evaluate(Wasm).Reasons[0].Message}`", PolicyPage.Text, StringComparison.Ordinal);
}
