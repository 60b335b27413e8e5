using Gateway.Commands;
using Xunit;

namespace Gateway.Tests.Commands;

public sealed class HealthCommandTests : IDisposable
{
    private readonly string _config = Path.GetTempFileName();

    public void Dispose() => File.Delete(_config);

    [Fact]
    public async Task Health_of_a_ready_gateway_prints_every_check()
    {
        await using var rig = await GatewayRig.StartAsync();
        await File.WriteAllTextAsync(_config, $"operator: {rig.Operator.ToString().TrimEnd('/')}\n");

        var (code, output, _) = await RunAsync();

        Assert.Equal(0, code);
        Assert.StartsWith("""{"ready":true,"checks":{"process":"ok",""", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mistake_elsewhere_in_the_file_does_not_hide_the_running_gateway()
    {
        await using var rig = await GatewayRig.StartAsync();
        await File.WriteAllTextAsync(_config, $"operator: {rig.Operator.ToString().TrimEnd('/')}\ncach: {{}}\n");

        var (code, _, error) = await RunAsync();

        Assert.Equal(0, code);
        Assert.Contains("cach: unknown key", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_of_an_unreachable_gateway_fails_with_its_address()
    {
        await File.WriteAllTextAsync(_config, "operator: http://127.0.0.1:1\n");

        var (code, output, error) = await RunAsync();

        Assert.Equal((1, ""), (code, output));
        Assert.Contains("http://127.0.0.1:1/readyz?verbose does not answer", error, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(["health", "--config", _config], output, error);
        return (code, output.ToString(), error.ToString());
    }
}
