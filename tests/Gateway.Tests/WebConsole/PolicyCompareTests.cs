using System.Net;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>Comparing the policy in force with an edited one.</summary>
public sealed partial class PolicyCompareTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Tags_that_the_edited_policy_answers_differently_are_listed()
    {
        await _rig.PushManifestAsync("team/app", "v1");
        await _rig.PushManifestAsync("free/app", "v1");

        var page = await CompareAsync("""
            policy:
              default: allow
              artifactTypes: {}
              rules:
                - id: described
                  match: { repos: ["team/**"] }
                  require: { artifactTypes: true }
            """);

        Assert.Contains("team/app:v1", page, StringComparison.Ordinal);
        Assert.DoesNotContain("free/app:v1", page, StringComparison.Ordinal);
        Assert.Contains("described", page, StringComparison.Ordinal);
        using var pulled = await _rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal(200, (int)pulled.StatusCode);
    }

    [Fact]
    public async Task Same_policy_changes_nothing()
    {
        await _rig.PushManifestAsync("team/app", "v1");

        Assert.Contains("Every stored tag gets the same answer", await CompareAsync("policy: { default: allow, rules: [] }"),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mistake_is_shown_with_its_line_and_the_text_stays()
    {
        var page = await CompareAsync("policy:\n  defaultt: allow # <b>");

        Assert.Contains("the edited policy:2:3: policy.defaultt: unknown key; did you mean default?", page, StringComparison.Ordinal);
        Assert.Contains("defaultt: allow # &lt;b&gt;", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_that_the_policy_in_force_does_not_name_is_not_opened()
    {
        var page = await CompareAsync("""
            policy:
              default: allow
              trust: { keys: { k: { pem: /etc/hostname } }, authorities: { a: { anyOf: [{ key: k }] } } }
              rules: []
            """);

        Assert.Contains("a file that the policy in force names", page, StringComparison.Ordinal);
    }

    private async Task<string> CompareAsync(string policy)
    {
        var form = await _rig.Client.GetStringAsync(new Uri(_rig.Operator, "/policy/compare"));
        var fields = new Dictionary<string, string> { ["policy"] = policy, ["csrf"] = Csrf().Match(form).Groups[1].Value };
        using var answer = await _rig.Client.PostAsync(new Uri(_rig.Operator, "/policy/compare"), new FormUrlEncodedContent(fields));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync();
    }

    [GeneratedRegex(@"name=""csrf"" value=""(\w+)""")]
    private static partial Regex Csrf();
}
