using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>Where each setting in force comes from, without its secrets.</summary>
public sealed class ConfigurationOriginTests
{
    private const string Text = """
        listen: ["http://127.0.0.1:5000", "http://127.0.0.1:5002"]
        cache: { maxSize: 3GiB }
        upstreams:
          corp:
            url: https://registry.corp.example
            credentials: { username: robot, password: hunter2 }
          mirror: { url: https://mirror.example }
        policy:
          default: allow
          rules: []
        gc: { every: 24h }
        """;

    private static readonly Dictionary<string, string> Environment = new()
    {
        ["GATEWAY__CACHE__MAXSIZE"] = "5GiB", ["GATEWAY__UPSTREAMS__CORP__CREDENTIALS__PASSWORD"] = "hunter5",
    };

    private static ConfigurationOrigin Load(string text)
    {
        var loaded = ConfigurationLoader.Load(text, "gateway.yaml", "/", Environment);
        Assert.Empty(loaded.Mistakes);
        return loaded.Options!.Origin!;
    }

    private static Dictionary<string, SettingRow> Rows(string text) => Load(text).Rows().ToDictionary(static row => row.Name);

    [Fact]
    public void Each_setting_has_the_file_and_line_the_variable_or_the_default_as_its_source()
    {
        var rows = Rows(Text);

        Assert.Equal(("https://registry.corp.example", "gateway.yaml:5"), Of("upstreams.corp.url"));
        Assert.Equal(("5GiB", "GATEWAY__CACHE__MAXSIZE"), Of("cache.maxSize"));
        Assert.Equal("default", rows["storage.path"].Source);
        Assert.True(rows["storage.path"].IsDefault);
        Assert.Equal("gateway.yaml:1", rows["listen"].Source);

        (string, string) Of(string name) => (rows[name].Value, rows[name].Source);
    }

    [Fact]
    public void Secrets_are_masked()
    {
        var rows = Rows(Text);

        Assert.Equal("robot", rows["upstreams.corp.credentials.username"].Value);
        Assert.Equal("GATEWAY__UPSTREAMS__CORP__CREDENTIALS__PASSWORD", rows["upstreams.corp.credentials.password"].Source);
        Assert.DoesNotContain(rows.Values, static row => row.Value.Contains("hunter", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("https://robot:hunter@mirror.example")]
    [InlineData("https://mirror.example/?key=hunter")]
    [InlineData("-----BEGIN PRIVATE KEY-----")]
    public void Value_that_may_contain_a_secret_is_recognized(string value) => Assert.True(Secrets.MayBeIn(value));

    [Fact]
    public void Section_of_the_file_is_shown_as_it_is_written()
    {
        Assert.Equal("policy:\n  default: allow\n  rules: []\n", Load(Text).SectionText("policy"));
        Assert.Equal("gc: { every: 24h }\n", Load(Text).SectionText("gc"));
        Assert.Equal("", Load(Text).SectionText("access"));
    }

    [Theory]
    [InlineData("{ \"upstreams\": UPSTREAMS, \"policy\": POLICY }")]
    [InlineData("{ \"policy\": POLICY, \"upstreams\": UPSTREAMS }")]
    [InlineData("{ \"upstreams\":\n UPSTREAMS, \"policy\": POLICY }")]
    [InlineData("{ \"policy\":\n POLICY, \"upstreams\": UPSTREAMS }")]
    [InlineData("policy: POLICY\nupstreams: UPSTREAMS")]
    [InlineData("policy: POLICY\nupstreams:\n  corp:\n    url: https://corp.example\n    credentials: { username: u, password: hunter2 }")]
    public void Section_has_no_secret_of_another_section_of_its_lines(string form)
    {
        const string upstreams =
            """{ "corp": { "url": "https://corp.example", "credentials": { "username": "robot", "password": "hunter2" } } }""";
        var text = form.Replace("UPSTREAMS", upstreams, StringComparison.Ordinal)
            .Replace("POLICY", """{ "default": "allow", "rules": [] }""", StringComparison.Ordinal);

        Assert.DoesNotContain("hunter", Load(text).SectionText("policy"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_key_of_the_reference_page_has_a_row_when_nothing_is_written()
    {
        var rows = ConfigurationLoader.Load("", "(no file)", "/", []).Options!.Origin!.Rows();

        Assert.All(rows, static row => Assert.Equal("default", row.Source));
        Assert.Contains(rows, static row => row.Name == "cache.maxSize");
        Assert.Equal(rows.Count, rows.Select(static row => row.Name).Distinct().Count());
    }
}
