using System.Net.Http.Headers;
using System.Text.Json;
using Gateway.Commands;
using Gateway.Operations;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary><c>gateway gc</c> and <c>gateway jobs</c> against a gateway with pushed content.</summary>
public sealed class GcCommandTests : IAsyncLifetime
{
    private readonly string _config = Path.GetTempFileName();
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        _rig = await GatewayRig.StartAsync();
        await File.WriteAllTextAsync(_config, $"operator: {_rig.Operator.ToString().TrimEnd('/')}\n");
    }

    public async ValueTask DisposeAsync()
    {
        File.Delete(_config);
        await _rig.DisposeAsync();
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync([.. arguments, "--config", _config], output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public async Task Collection_is_listed_with_its_result_after_its_end()
    {
        var (code, output, error) = await RunAsync("gc");
        Assert.Equal(0, code);
        Assert.Contains("freed 0 B", output);
        var id = error.Split(' ')[0];
        Assert.StartsWith("gc-", id);
        Assert.Contains($"{id}     done", (await RunAsync("jobs")).Output);
        Assert.Equal((0, output), ((await RunAsync("jobs", id)).Code, (await RunAsync("jobs", id)).Output));
        var listed = JsonSerializer.Deserialize((await RunAsync("jobs", "--json")).Output, AdminJson.Default.Job)!;
        Assert.Equal((id, "operator", JobState.Done), (listed.Id, listed.StartedBy, listed.State));
    }

    [Fact]
    public async Task Unknown_job_and_invalid_age_are_reported()
    {
        Assert.Contains("gateway jobs", (await RunAsync("jobs", "gc-0")).Error);
        Assert.Equal(1, (await RunAsync("jobs", "gc-0", "--stop")).Code);
        Assert.Equal((2, ""), ((await RunAsync("gc", "--untagged", "soon")).Code, (await RunAsync("gc", "--untagged", "soon")).Output));
        Assert.Equal(2, (await RunAsync("jobs", "--stop")).Code);
        using var body = new StringContent("""{"untagged":"x"}""", new MediaTypeHeaderValue("application/json"));
        using var answer = await _rig.Client.PostAsync(new Uri(_rig.Operator, "/api/v1/gc"), body);
        Assert.Equal(400, (int)answer.StatusCode);
    }
}
