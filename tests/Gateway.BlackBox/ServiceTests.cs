using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>deploy/systemd, checked by systemd's own tool without starting it, and the completion in a real bash.</summary>
public sealed class ServiceTests : IDisposable
{
    private readonly Client _client = new();

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Unit_has_no_mistake_and_a_low_exposure()
    {
        var unit = (await File.ReadAllTextAsync(Path.Combine(RigFolder.Repository, "deploy", "systemd", "gateway.service")))
            // Neither the program nor its user is on this machine.
            .Replace("/usr/bin/gateway", "/bin/true", StringComparison.Ordinal)
            .Replace("=gateway\nGroup=gateway", "=daemon\nGroup=daemon", StringComparison.Ordinal);
        var file = _client.Folder.Write("gateway.service", unit);

        var verified = (await _client.RunFileAsync("systemd-analyze", "verify", "--man=no", file)).Succeeded();
        Assert.Equal("", verified.Text);
        // Of 100; a unit without any setting has 96.
        (await _client.RunFileAsync("systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", file)).Succeeded();
    }

    [Theory]
    [InlineData("gateway cl", "client-config")]
    [InlineData("gateway client-config po", "podman")]
    [InlineData("gateway backup --ca", "--cached")]
    public async Task Bash_completes_commands_values_and_options(string line, string expected)
    {
        var script = _client.Folder.Write("complete.sh", $$"""
            gateway() { dotnet '{{GatewayProcess.Assembly}}' "$@"; }
            eval "$(gateway completion bash)"
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_WORDS=({{line}})
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _gateway
            printf '%s\n' "${COMPREPLY[@]}"
            """);

        var completed = (await _client.RunFileAsync("bash", script)).Succeeded();

        Assert.Equal(expected, completed.Stdout.Trim());
    }
}
