using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The alert rules of replicas, played by Debian's promtool with series of each fault, and of a set that works.</summary>
public sealed class AlertTests
{
    [Fact]
    public async Task Each_fault_of_replicas_raises_its_alert_and_a_set_that_works_raises_none()
    {
        using var client = new Client();

        (await client.RunAsync("promtool", "test", "rules", Path.Combine(RigFolder.Repository, "tests/rig/alerts.test.yml"))).Succeeded();
    }
}
