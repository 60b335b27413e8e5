using Gateway.Commands.Policy;
using Gateway.Tests.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

/// <summary>Lists of artifact types that let in less than their author needs.</summary>
public sealed class PolicyLintListTests
{
    [Theory]
    [InlineData("", true)]
    [InlineData("semantics: quay-union, ", true)]
    [InlineData("presets: [images, cosign], ", false)]
    public void List_that_allows_cosign_2_signatures_but_not_cosign_3_is_reported(string types, bool isTold)
    {
        var loaded = Yaml.Load($$"""
            policy:
              default: allow
              artifactTypes:
                { {{types}}ALLOWED_OCI_ARTIFACT_TYPES: {
                    application/vnd.oci.image.config.v1+json: [application/vnd.dev.cosign.simplesigning.v1+json] } }
            """);
        Assert.Empty(loaded.Mistakes);

        var codes = PolicyLintCommand.Lint(loaded, DateTimeOffset.UnixEpoch).Select(warning => warning.Code);

        Assert.Equal(isTold ? ["EVIDENCE_REFUSED"] : [], codes);
    }
}
