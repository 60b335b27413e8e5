using Gateway.Oci;
using Gateway.Policy;

namespace Gateway.Tests.Commands.Policy;

/// <summary>What a policy is asked about an image.</summary>
internal static class Questions
{
    private static readonly Manifest Image = new(MediaTypes.OciManifest)
    {
        Config = new(MediaTypes.OciConfig, Digest.Of("{}"u8), 2),
        Layers = [new("application/vnd.oci.image.layer.v1.tar+gzip", Digest.Of("layer"u8), 5)],
    };

    public static IEnumerable<PolicyInput> Of(string repository) =>
        new[] { Stage.Push, Stage.Tag, Stage.Pull }.Select(stage => new PolicyInput(
            RepositoryName.Parse(repository), TagName.Parse("v1"), stage, Digest.Of("image"u8), Image, []));
}
