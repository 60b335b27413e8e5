using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The copies of docs/moving.md, with the real clients. VolumeTests has the move of a volume, and the way back.</summary>
public sealed class MovingTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private GatewayProcess _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await GatewayProcess.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _client.Dispose();
    }

    [Fact]
    public async Task Layout_on_the_disk_moves_with_its_tags_and_referrers_and_back()
    {
        // As zot has it: an OCI layout for each repository, with tags and referrers in its index.
        _client.Folder.Write("one", "1");
        _client.Folder.Write("two", "2");
        await OrasAsync("push", "--oci-layout", "zot/team/app:v1", "--artifact-type", "application/vnd.test", "one");
        await OrasAsync("push", "--oci-layout", "zot/team/app:v2", "--artifact-type", "application/vnd.test", "two");
        await OrasAsync("attach", "--oci-layout", "zot/team/app:v1", "--artifact-type", "application/vnd.cyclonedx+json", "two");

        foreach (var tag in (await OrasAsync("repo", "tags", "--oci-layout", "zot/team/app")).Split('\n'))
            await OrasAsync("cp", "-r", "--to-plain-http", "--from-oci-layout", $"zot/team/app:{tag}", $"{_gateway.Host}/team/app:{tag}");

        Assert.Equal("v1\nv2", await OrasAsync("repo", "tags", "--plain-http", $"{_gateway.Host}/team/app"));
        Assert.Contains(
            "cyclonedx", await OrasAsync("discover", "--plain-http", $"{_gateway.Host}/team/app:v1"), StringComparison.Ordinal);
        await OrasAsync("cp", "-r", "--from-plain-http", "--to-oci-layout", $"{_gateway.Host}/team/app:v1", "back/team/app:v1");
        Assert.Contains("cyclonedx", await OrasAsync("discover", "--oci-layout", "back/team/app:v1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_tags_of_a_repository_move_by_the_API()
    {
        await using var old = await DockerRegistry.StartAsync();
        using (var raw = new RawClient(old.Host))
        {
            await raw.ImageAsync("team/app", "v1", OciLayout.Noise(1, 1000));
            await raw.ImageAsync("team/app", "v2", OciLayout.Noise(2, 1000));
        }

        (await _client.SkopeoAsync(
            "sync", "--all", "--src", "docker", "--dest", "docker", "--keep-going", "--src-tls-verify=false", "--dest-tls-verify=false",
            $"{old.Host}/team/app", $"{_gateway.Host}/team")).Succeeded();

        Assert.Equal("v1\nv2", await OrasAsync("repo", "tags", "--plain-http", $"{_gateway.Host}/team/app"));
    }

    private async Task<string> OrasAsync(params string[] arguments) =>
        (await _client.OrasAsync(arguments)).Succeeded().Stdout.Trim();
}
