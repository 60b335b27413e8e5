using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>Each alert rule has a section of docs/runbook.md, and names it; the lab and the Helm chart have the same rules.</summary>
public sealed partial class RunbookTests
{
    private const string Lab = "deploy/compose/prometheus/alerts.yml";

    [Fact]
    public void Each_alert_rule_has_a_section_and_names_it()
    {
        var alerts = Alert().Matches(Read(Lab)).Select(match => match.Groups[1].Value).ToArray();
        var sections = Section().Matches(Read("docs/runbook.md")).Select(match => match.Groups[1].Value);

        Assert.True(alerts.Length >= 14, "expected the alert rules to be found");
        Assert.Equal(alerts, sections);
        var rules = Read(Lab);
        Assert.All(alerts, alert => Assert.Contains($"docs/runbook.md#{alert.ToLowerInvariant()}\n", rules, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_metric_of_a_rule_and_of_the_dashboard_is_documented()
    {
        var documented = Metric().Matches(Read("docs/operations.md") + Read("docs/upstreams.md") + Read("docs/replicas.md"))
            .Select(match => match.Value).ToHashSet();
        var used = Metric().Matches(Read(Lab) + Read("deploy/compose/grafana/dashboards/gateway.json"))
            .Select(match => match.Value).Distinct().Select(name => name.EndsWith("_bucket", StringComparison.Ordinal) ? name[..^7] : name);

        Assert.DoesNotContain(used, name => !documented.Contains(name));
    }

    private static string Read(string path) => File.ReadAllText(Path.Combine(DependencyTests.Root, path));

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex Alert();

    [GeneratedRegex(@"(?m)^## (\w+)$")]
    private static partial Regex Section();

    [GeneratedRegex(@"gateway_[a-z_]+[a-z]")]
    private static partial Regex Metric();
}
