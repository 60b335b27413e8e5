using Gateway.Commands;
using Xunit;

namespace Gateway.Tests.Commands;

/// <summary>What <c>gateway rollback</c> prints of the answer of a running gateway.</summary>
public sealed class RollbackCommandTests
{
    [Fact]
    public async Task Refusal_says_why()
    {
        await using var rig = await GatewayRig.StartAsync();
        var (output, error) = (new StringWriter(), new StringWriter());

        var code = await CommandLine.RunAsync(
            ["rollback", "team/app:v1", "--to", $"sha256:{new string('0', 64)}", "--server", rig.Operator.ToString()], output, error);

        Assert.Equal((1, ""), (code, output.ToString()));
        Assert.Contains("was not bound to v1: team/app does not have sha256:", error.ToString(), StringComparison.Ordinal);
    }
}
