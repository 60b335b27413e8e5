using Gateway.Policy;
using Gateway.Tests.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

public sealed class QuayImportTests : IDisposable
{
    private readonly PolicyRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Three_settings_of_a_full_config_are_imported_unchanged()
    {
        var file = _rig.Write("config.yaml", """
            SERVER_HOSTNAME: quay.example
            DB_URI: postgresql://quay:hunter2@db/quay
            AUTHENTICATION_TYPE: Database
            FEATURE_GENERAL_OCI_SUPPORT: True
            FEATURE_HELM_OCI_SUPPORT: false
            ALLOWED_OCI_ARTIFACT_TYPES:
              application/vnd.oci.image.config.v1+json:
                - application/vnd.dev.cosign.simplesigning.v1+json
                - application/vnd.oci.image.layer.v1.tar+gzip+encrypted
              application/vnd.sylabs.sif.config.v1+json:
                - application/vnd.sylabs.sif.layer.v1.sif
            """);

        var (code, output, error) = await PolicyRig.Run("import", "--quay", file);

        Assert.Equal((0, ""), (code, error));
        Assert.DoesNotContain("hunter2", output, StringComparison.Ordinal);
        var policy = Yaml.Good(output).Policy!;
        Assert.Equal(Outcome.Allow, policy.Default);
        Assert.True(policy.ArtifactTypes!.GeneralOciSupport);
        Assert.False(policy.ArtifactTypes.HelmOciSupport);
        Assert.Equal(
            ["application/vnd.oci.image.config.v1+json", "application/vnd.sylabs.sif.config.v1+json"], policy.ArtifactTypes.Allowed!.Keys);
        Assert.Equal(
            ["application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"],
            policy.ArtifactTypes.Allowed["application/vnd.oci.image.config.v1+json"]);
    }

    [Fact]
    public async Task Without_a_setting_Quays_defaults_apply()
    {
        var (code, output, error) = await PolicyRig.Run("import", "--quay", _rig.Write("config.yaml", "SERVER_HOSTNAME: quay.example\n"));

        Assert.Equal((0, ""), (code, error));
        Assert.Null(Yaml.Good(output).Policy!.ArtifactTypes!.Allowed);
    }

    [Theory]
    [InlineData("IGNORE_UNKNOWN_MEDIATYPES: true", "IGNORE_UNKNOWN_MEDIATYPES: not imported")]
    [InlineData("OCI_NAMESPACE_WHITELIST: [team]", "OCI_NAMESPACE_WHITELIST: not imported")]
    [InlineData("V22_NAMESPACE_BLACKLIST: [old]", "V22_NAMESPACE_BLACKLIST: not imported")]
    public async Task Setting_that_changes_their_meaning_in_Quay_is_reported_with_its_place(string setting, string expected)
    {
        var file = _rig.Write("config.yaml", $"FEATURE_HELM_OCI_SUPPORT: true\n{setting}\n");

        var (code, output, error) = await PolicyRig.Run("import", "--quay", file);

        Assert.Equal(2, code);
        Assert.StartsWith($"{file}:2:1: {expected}", error, StringComparison.Ordinal);
        Assert.NotNull(Yaml.Good(output).Policy);
    }

    [Theory]
    [InlineData("IGNORE_UNKNOWN_MEDIATYPES: false")]
    [InlineData("OCI_NAMESPACE_WHITELIST: []")]
    public async Task Disabled_settings_are_not_reported(string setting) =>
        Assert.Equal(
            (0, ""),
            await PolicyRig.Run("import", "--quay", _rig.Write("config.yaml", setting)) is var (code, _, error) ? (code, error) : default);

    [Theory]
    [InlineData("ALLOWED_OCI_ARTIFACT_TYPES: { 'no type': [text/spdx] }", ":1:31: ")]
    [InlineData("ALLOWED_OCI_ARTIFACT_TYPES: { text/a: [b] }", ":1:40: ")]
    [InlineData("FEATURE_HELM_OCI_SUPPORT: perhaps", ":1:27: ")]
    [InlineData("a: [", "the bracket [ that opens here is not closed")]
    [InlineData("[a]", "expected Quay's config.yaml")]
    public async Task Setting_that_the_gateway_refuses_is_refused_at_its_place(string text, string expected)
    {
        var (code, output, error) = await PolicyRig.Run("import", "--quay", _rig.Write("config.yaml", text));

        Assert.Equal((4, ""), (code, output));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_file_is_an_error() =>
        Assert.Equal(4, (await PolicyRig.Run("import", "--quay", Path.Combine(_rig.Folder, "absent.yaml"))).Code);

    [Theory]
    [InlineData("import")]
    [InlineData("import", "--quay", "a", "--cip", "b")]
    [InlineData("import", "--rego", "a")]
    [InlineData("exlpain")]
    public async Task Invalid_command_line_is_an_error_not_a_warning(params string[] arguments) =>
        Assert.Equal(4, (await PolicyRig.Run(arguments)).Code);
}
