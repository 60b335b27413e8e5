using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class EnvironmentOverridesTests
{
    [Fact]
    public void Variable_sets_a_key_whether_the_file_has_it_or_not()
    {
        var options = Yaml.Good(
            "cache: { maxSize: 1GiB }",
            ("GATEWAY__CACHE__MAXSIZE", "2GiB"), ("GATEWAY__STORAGE__PATH", "/srv/registry"), ("GATEWAY_PORT", "tcp://10.0.0.1:80"),
            ("PATH", "/bin"));

        Assert.Equal(2L << 30, options.Cache.MaxSize);
        Assert.Equal("/srv/registry", options.Storage.Path);
    }

    [Theory]
    [InlineData("GATEWAY__UPSTREAMS__DOCKER_IO__LIBRARY")]
    [InlineData("GATEWAY__UPSTREAMS__docker.io__LIBRARY")]
    [InlineData("GATEWAY__upstreams__docker.io__library")]
    public void Key_with_a_dot_is_addressed_with_underscore_or_dot(string name)
    {
        Assert.False(Yaml.Good("upstreams: { docker.io: {} }", (name, "false")).Upstreams["docker.io"].Library);
        Assert.False(Yaml.Good("", (name, "false")).Upstreams["docker.io"].Library);
    }

    [Fact]
    public void Variable_adds_an_upstream_that_the_file_does_not_have()
    {
        var upstream = Yaml.Good("", ("GATEWAY__UPSTREAMS__CORP__URL", "https://registry.example.com:5000")).Upstreams["corp"];

        Assert.Equal([new Uri("https://registry.example.com:5000")], upstream.Urls);
    }

    [Fact]
    public void Number_is_a_place_in_a_list()
    {
        var options = Yaml.Good(
            "access: { rules: [{ actors: [anonymous], repositories: [a], actions: [pull] }] }",
            ("GATEWAY__ACCESS__RULES__0__REPOSITORIES__0", "b"), ("GATEWAY__ACCESS__RULES__0__REPOSITORIES__1", "c"),
            ("GATEWAY__LISTEN__0", "http://127.0.0.1:8080"), ("GATEWAY__LISTEN__1__URL", "http://127.0.0.1:8081"));

        Assert.Equal(["b", "c"], options.Access!.Rules[0].Repositories);
        Assert.Equal([8080, 8081], options.Listen.Select(listener => listener.Url.Port));
    }

    [Fact]
    public void List_or_section_is_written_as_YAML()
    {
        var options = Yaml.Good(
            "upstreams: { docker.io: {} }",
            ("GATEWAY__ROUTES", "[{ prefix: '', upstream: docker.io }]"), ("GATEWAY__LISTEN", "http://127.0.0.1:8080"));

        Assert.Equal("docker.io", Assert.Single(options.Routes).Upstream);
        Assert.Equal(8080, Assert.Single(options.Listen).Url.Port);
    }

    [Fact]
    public void Secret_comes_from_a_file()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "hunter2\n");
            var credentials = Yaml.Good(
                "upstreams: { docker.io: { credentials: { username: me } } }",
                ("GATEWAY__UPSTREAMS__DOCKER_IO__CREDENTIALS__PASSWORD__FILE", file)).Upstreams["docker.io"].Credentials[0];

            Assert.Equal("hunter2", credentials.Password);
            Assert.DoesNotContain("hunter2", credentials.ToString());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("GATEWAY__STORAGE__PAHT", "x", "GATEWAY__STORAGE__PAHT: storage.paht: unknown key; did you mean path?")]
    [InlineData("GATEWAY__STORAGE__PATH__DEEPER", "x", "GATEWAY__STORAGE__PATH__DEEPER: 'DEEPER' is below a key that holds a path")]
    [InlineData("GATEWAY__LISTEN__7", "x", "GATEWAY__LISTEN__7: expected a place in the list from 0 to 0, got '7'")]
    [InlineData("GATEWAY__LISTEN__X", "x", "GATEWAY__LISTEN__X: expected a place in the list from 0 to 0, got 'X'")]
    [InlineData("GATEWAY__CACHE__MAXSIZE", "plenty", "GATEWAY__CACHE__MAXSIZE: cache.maxSize: expected a size")]
    [InlineData(
        "GATEWAY__STORAGE__PATH__FILE", "/nowhere/secret", "GATEWAY__STORAGE__PATH__FILE: expected the path of a file that can be read")]
    [InlineData("GATEWAY__ROUTES", "[{", "GATEWAY__ROUTES:1:2: the bracket { that opens here is not closed")]
    [InlineData("GATEWAY__", "x", "GATEWAY__: ")]
    public void Variable_that_matches_no_key_is_a_mistake_with_its_name(string name, string value, string expected) =>
        Assert.StartsWith(expected, Yaml.Mistakes("", (name, value))[0]);
}
