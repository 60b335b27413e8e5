using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A passthrough upstream with accounts: one account may see the repository, another may not.</summary>
public sealed class PassthroughTests : IAsyncLifetime
{
    private const string Image = "team/secret";

    private static readonly string Right = Canary.Secret("right");
    private static readonly string Wrong = Canary.Secret("wrong");

    private readonly Client _alice = new();
    private readonly Client _bob = new();
    private readonly Client _nobody = new();
    private DockerRegistry _upstream = null!;
    private GatewayProcess _gateway = null!;
    private OciLayout _layout = null!;

    public async ValueTask InitializeAsync()
    {
        (_layout, _) = OciLayout.SmallImage(_alice.Folder["image"]);
        _upstream = await DockerRegistry.StartAsync(user: ("alice", Right));
        await LoginAsync(_alice, _upstream.Host, "alice", Right);
        (await _alice.CraneAsync("push", "--insecure", _layout.Root, $"{_upstream.Host}/{Image}:1")).Succeeded();
        _gateway = await GatewayProcess.StartAsync($$"""
            upstreams:
              corp: { url: "http://{{_upstream.Host}}", auth: passthrough }
            routes: [{ prefix: corp, upstream: corp, push: forward }]
            """);
        await LoginAsync(_alice, _gateway.Host, "alice", Right);
        await LoginAsync(_bob, _gateway.Host, "bob", Wrong);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        foreach (var client in (Client[])[_alice, _bob, _nobody]) client.Dispose();
    }

    [Fact]
    public async Task Warm_cache_is_served_by_skopeo_and_crane_only_to_accounts_with_access()
    {
        (await PullBySkopeoAsync(_alice, $"alice:{Right}")).Succeeded();
        Assert.Equal(OciLayout.DigestsIn(_layout.Root), OciLayout.DigestsIn(_alice.Folder["pulled"]));

        (await PullBySkopeoAsync(_bob, $"bob:{Wrong}")).Failed();
        (await PullBySkopeoAsync(_nobody, null)).Failed();
        foreach (var stranger in (Client[])[_bob, _nobody])
        {
            (await PullByCraneAsync(stranger)).Failed();
            (await stranger.CraneAsync("ls", "--insecure", $"{_gateway.Host}/corp/{Image}")).Failed();
            foreach (var digest in OciLayout.DigestsIn(_layout.Root))
                (await stranger.CraneAsync("blob", "--insecure", $"{_gateway.Host}/corp/{Image}@{digest}")).Failed();
        }

        (await PullByCraneAsync(_alice)).Succeeded();
        Assert.Single(
            (await _upstream.SettledAsync()).Select(each => each.Request),
            request => request.StartsWith("GET", StringComparison.Ordinal)
                && request.Contains($"{Image}/manifests/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Credential_with_proof_is_served_while_the_upstream_is_down_and_others_are_not()
    {
        (await PullBySkopeoAsync(_alice, $"alice:{Right}")).Succeeded();
        await _upstream.StopAsync();

        (await PullByCraneAsync(_alice)).Succeeded();
        (await PullByCraneAsync(_bob)).Failed();
        (await PullByCraneAsync(_nobody)).Failed();
    }

    [Fact]
    public async Task Push_is_forwarded_with_the_clients_own_account_which_sees_it_at_once()
    {
        var target = $"{_gateway.Host}/corp/team/pushed:1";
        foreach (var stranger in (Client[])[_bob, _nobody])
            (await stranger.CraneAsync("push", "--insecure", _layout.Root, target)).Failed();

        (await _alice.CraneAsync("push", "--insecure", _layout.Root, target)).Succeeded();

        var here = (await _alice.CraneAsync("digest", "--insecure", target)).Succeeded().Stdout;
        Assert.Equal(here, (await _alice.CraneAsync("digest", "--insecure", $"{_upstream.Host}/team/pushed:1")).Succeeded().Stdout);
        (await _bob.CraneAsync("digest", "--insecure", target)).Failed();
    }

    private static async Task LoginAsync(Client client, string host, string user, string password) =>
        (await client.CraneAsync("auth", "login", host, "-u", user, "-p", password)).Succeeded();

    private Task<Output> PullBySkopeoAsync(Client client, string? credentials)
    {
        string[] shown = credentials is null ? ["--src-no-creds"] : ["--src-creds", credentials];
        return client.SkopeoAsync(
            ["copy", "--src-tls-verify=false", .. shown, $"docker://{_gateway.Host}/corp/{Image}:1", $"oci:{client.Folder["pulled"]}:1"]);
    }

    private Task<Output> PullByCraneAsync(Client client) =>
        client.CraneAsync("pull", "--insecure", $"{_gateway.Host}/corp/{Image}:1", client.Folder["crane.tar"]);
}
