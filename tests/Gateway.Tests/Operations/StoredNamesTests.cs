using System.Text;
using Gateway.Commands;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary><c>gateway repos</c>, <c>tags</c> and <c>delete</c> against a gateway that stores one repository and caches another.</summary>
public sealed class StoredNamesTests : IAsyncLifetime
{
    private ScriptedUpstream _hub = null!;
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await ScriptedUpstream.StartAsync();
        _hub.AddImage("library/nginx", "latest", ScriptedUpstream.Bytes(1000, 1));
        var upstream = new UpstreamOptions { Key = "hub", Urls = [_hub.Url] };
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("hub", upstream),
            Routes = [new() { Prefix = "hub", Upstream = "hub" }, new() { Prefix = "" }],
        });
        (await _rig.SendAsync("GET", "/v2/hub/library/nginx/manifests/latest")).Dispose();
        (await _rig.SendAsync("PUT", "/v2/team/app/manifests/v1", Index())).Dispose();
        (await _rig.SendAsync("PUT", "/v2/team/app/manifests/v2", Index())).Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _hub.DisposeAsync();
    }

    [Theory]
    [InlineData("repos", "team/app\nhub/library/nginx  from hub\n")]
    [InlineData("repos team/*", "team/app\n")]
    [InlineData("tags team/app", "v1\nv2\n")]
    [InlineData("repos nobody/*", "")]
    public async Task Names_are_listed(string line, string expected)
    {
        var (code, output, error) = await RunAsync(line.Split(' '));

        Assert.Equal((0, expected, ""), (code, output.ReplaceLineEndings("\n"), error));
    }

    [Fact]
    public async Task Tag_is_deleted_and_its_manifest_stays()
    {
        var (code, output, _) = await RunAsync("delete", "team/app:v1");

        Assert.Equal(0, code);
        Assert.StartsWith("deleted team/app:v1 (sha256:", output, StringComparison.Ordinal);
        Assert.Equal("v2\n", (await RunAsync("tags", "team/app")).Output.ReplaceLineEndings("\n"));
        using var manifest = await _rig.SendAsync("GET", $"/v2/team/app/manifests/{Digest.Of(Bytes)}");
        Assert.Equal(200, (int)manifest.StatusCode);
    }

    [Theory]
    [InlineData("team/app:gone", "it does not exist here")]
    [InlineData("hub/library/nginx:latest", "run gateway purge to remove it")]
    public async Task Refused_deletion_is_reported_with_the_remedy(string reference, string expected)
    {
        var (code, output, error) = await RunAsync("delete", reference);

        Assert.Equal((1, ""), (code, output));
        Assert.Contains($"{reference} was not deleted: ", error, StringComparison.Ordinal);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tags Team/App", "expected ?repository= with a name such as team/app, got 'Team/App'")]
    [InlineData("tags no/such", "no tags of no/such")]
    public async Task Tags_of_a_missing_repository_are_an_error(string line, string expected)
    {
        var (code, output, error) = await RunAsync(line.Split(' '));

        Assert.Equal((1, ""), (code, output));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    private static readonly byte[] Bytes = Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[]}""");

    private static ByteArrayContent Index() => new(Bytes) { Headers = { ContentType = new(MediaTypes.OciIndex) } };

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync([.. arguments, "--server", _rig.Operator.ToString()], output, error);
        return (code, output.ToString(), error.ToString());
    }
}
