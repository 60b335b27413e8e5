using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A push that waits for a signature, at three gateways that share a bucket.</summary>
public sealed class BucketHoldTests(SharedBucketSet shared) : HoldScenario
{
    private BucketSet Set => (BucketSet)Registry;

    private protected override async Task<IRegistry> OpenAsync(string yaml, string? storage) =>
        await BucketSet.StartAsync(yaml, ready: "/token", shared: (await shared.Started).Store);

    /// <summary>Each request is answered by another gateway.</summary>
    [Theory]
    [InlineData("skopeo", "cosign3")]
    [InlineData("podman", "cosign2")]
    [InlineData("docker with containerd's store", "cosign3")]
    public Task Push_is_held_after_a_wrong_signature_and_released_by_a_right_one(string client, string cosign) =>
        HoldAndReleaseAsync(client, cosign);

    [Fact]
    public async Task Signature_that_reaches_one_gateway_publishes_the_held_push_at_all()
    {
        await StartAsync();
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        var hosts = string.Join(", ", Set.Gateways.Select(g => g.Host).Select(h => $$"""
            "{{h}}": { "auth": "{{login}}" }
            """));
        Pusher.Folder.Write("home/.docker/config.json", $$"""{ "auths": { {{hosts}} } }""");
        for (var round = 0; round < 3; round++)
        {
            var layout = new OciLayout(Pusher.Folder[$"image{round}"]);
            var image = layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes($"round {round}")));
            layout.Tag("1", image);
            var signer = Set.Gateways[(round + 1) % BucketSet.Count];
            (await Pusher.CraneAsync("push", "--insecure", layout.Root, $"{Set.Gateways[round].Host}/held/app:v{round}")).Succeeded();
            foreach (var each in Set.Gateways)
                Assert.Contains("DENIED", (await PullAsync(each, round)).Failed().Text, StringComparison.Ordinal);
            (await Pusher.RunAsync(
                "cosign2", "sign", "-y", "--allow-http-registry", "--key", Pusher.Folder["good.key"], "--tlog-upload=false",
                $"{signer.Host}/held/app@{image.Digest}")).Succeeded();
            foreach (var each in Set.Gateways)
                Assert.Equal(image.Digest, (await PullAsync(each, round)).Succeeded().Stdout.Trim());
        }
    }

    private Task<Output> PullAsync(GatewayProcess gateway, int round) =>
        Puller.CraneAsync("digest", "--insecure", $"{gateway.Host}/held/app:v{round}");
}
