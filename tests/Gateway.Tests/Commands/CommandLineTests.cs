using System.Text.Json;
using Gateway.Commands;
using Xunit;

namespace Gateway.Tests.Commands;

public sealed class CommandLineTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-commands-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Verify_prints_the_effect_of_the_configuration()
    {
        var (code, output, error) = await Run(
            "verify", "--config", Write("upstreams: { docker.io: {} }\nstorage: { path: /srv/registry }"));

        Assert.Equal((0, ""), (code, error));
        Assert.Contains("listen         http://127.0.0.1:5000/", output);
        Assert.Contains("storage        /srv/registry", output);
        Assert.Contains(
            "upstream       docker.io  https://registry-1.docker.io/  ?ns=docker.io|index.docker.io|registry-1.docker.io", output);
        Assert.Contains("route          docker.io  from docker.io", output);
        Assert.Contains("route          (the rest)  built-in storage", output);
    }

    [Theory]
    [InlineData("policy: { default: allow, artifactTypes: {} }", "allow by default, 0 rules, artifact types everywhere")]
    [InlineData(
        "policy: { default: deny, rules: [{ id: a, require: { limits: { maxLayers: 5 } } }] }", "deny by default, 1 rules")]
    [InlineData(
        "policy: { default: allow, artifactTypes: {}, rules: [{ id: a, require: { artifactTypes: true } }] }",
        "allow by default, 1 rules, artifact types where a rule requires them")]
    public async Task Verify_prints_where_the_allowlist_applies(string text, string policy)
    {
        var (_, output, error) = await Run("verify", "--config", Write(text));

        Assert.Equal("", error);
        Assert.EndsWith($"policy         {policy}{Environment.NewLine}", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_prints_every_mistake_to_standard_error()
    {
        var file = Write("lisen: x\nstorag: y\n");

        var (code, output, error) = await Run("verify", "--config", file);

        Assert.Equal((1, ""), (code, output));
        Assert.Contains($"{file}:1:1: lisen: unknown key; did you mean listen?", error);
        Assert.Contains($"{file}:2:1: storag: unknown key; did you mean storage?", error);
    }

    [Fact]
    public async Task Verify_prints_JSON_with_the_option()
    {
        var (code, output, _) = await Run("verify", "--json", "--config", Write("cache: { maxSiz: 1 }"));

        using var plan = JsonDocument.Parse(output);
        Assert.Equal(1, code);
        Assert.False(plan.RootElement.GetProperty("valid").GetBoolean());
        Assert.Contains("did you mean maxSize?", plan.RootElement.GetProperty("mistakes")[0].GetString());
    }

    [Fact]
    public async Task Serve_does_not_start_with_a_mistake()
    {
        var (code, _, error) = await Run("--config", Path.Combine(_folder.FullName, "absent.yaml"));

        Assert.Equal(1, code);
        Assert.Contains("expected a configuration file that can be read", error);
    }

    [Theory]
    [InlineData("vrify", "gateway: unknown command 'vrify'; did you mean verify?")]
    [InlineData("frobnicate", "gateway: unknown command 'frobnicate'")]
    public async Task Unknown_command_lists_the_known_ones(string verb, string expected)
    {
        var (code, output, error) = await Run(verb);

        Assert.Equal((2, ""), (code, output));
        Assert.Contains(expected, error);
        Assert.Contains("gateway: the commands are serve, verify, health, stats, purge, prefetch, gc, scrub, trash, jobs, repos, tags, delete, holds, rollback, promote", error);
    }

    [Fact]
    public async Task Unknown_option_is_invalid_usage() => Assert.Equal(2, (await Run("schema", "--yaml")).Code);

    [Fact]
    public async Task Version_is_printed_for_people_and_programs()
    {
        Assert.StartsWith("gateway 0.", (await Run("version")).Output);
        using var version = JsonDocument.Parse((await Run("version", "--json")).Output);
        Assert.StartsWith("0.", version.RootElement.GetProperty("version").GetString());
    }

    [Fact]
    public async Task Help_lists_every_command()
    {
        var (code, output, _) = await Run("--help");

        Assert.Equal(0, code);
        string[] verbs = ["serve", "verify", "health", "stats", "purge", "prefetch", "repos", "tags", "delete", "schema", "completion"];
        Assert.All(verbs, verb => Assert.Contains(verb, output));
    }

    private string Write(string text)
    {
        var path = Path.Combine(_folder.FullName, "gateway.yaml");
        File.WriteAllText(path, text);
        return path;
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
