using System.Text.Json;
using Gateway.Policy;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class DecisionTests
{
    private const string Index =
        """{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"application/vnd.a+json","manifests":[]}""";

    [Fact]
    public async Task Fix_of_a_decision_is_written_without_escapes()
    {
        await using var rig = await GatewayRig.StartAsync(
            o => o with { Policy = new() { Default = Outcome.Allow, ArtifactTypes = new() } });
        using var body = new StringContent(Index);
        body.Headers.ContentType = new("application/vnd.oci.image.index.v1+json");
        using var refused = await rig.SendAsync("PUT", "/v2/a/manifests/v1", body);
        Assert.Equal(403, (int)refused.StatusCode);

        using var answer = await rig.SendAsync("GET", $"/-/decisions/{GatewayRig.Header(refused, "Gateway-Decision")}");

        var text = await answer.Content.ReadAsStringAsync();
        Assert.Contains("policy rule 'artifactTypes': ", text, StringComparison.Ordinal);
        Assert.Contains("application/vnd.a+json is not allowed in a", text, StringComparison.Ordinal);
        using var decision = JsonDocument.Parse(text);
        Assert.Equal("deny", decision.RootElement.GetProperty("outcome").GetString());
    }
}
