using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A push that waits for a signature, at gateways that share a bucket.</summary>
public sealed class BucketHoldTests : IDisposable
{
    private const string Password = "a test's password";

    private readonly Client _pusher = new();
    private readonly Client _puller = new();

    public void Dispose()
    {
        _pusher.Dispose();
        _puller.Dispose();
    }

    [Fact]
    public async Task Signature_that_reaches_one_gateway_publishes_the_held_push_at_all()
    {
        (await _pusher.RunAsync("cosign2", "generate-key-pair", "--output-key-prefix", "good")).Succeeded();
        var account = (await _pusher.RunAsync("htpasswd", "-nbB", "ci", Password)).Succeeded().Stdout.Trim();
        _pusher.Folder.Write("htpasswd", account + "\n");
        await using var set = await BucketSet.StartAsync($$"""
            access:
              htpasswd: "{{_pusher.Folder["htpasswd"]}}"
              rules:
                - { actors: [anonymous], repositories: ["**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_pusher.Folder["good.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules:
                - id: held
                  match: { repos: ["held/**"] }
                  require: { signatures: [{ authority: release }] }
                  onMissing: quarantine
            """, ready: "/token");
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        var hosts = string.Join(", ", set.Gateways.Select(g => g.Host).Append(set.Host).Select(h => $$"""
            "{{h}}": { "auth": "{{login}}" }
            """));
        _pusher.Folder.Write("home/.docker/config.json", $$"""{ "auths": { {{hosts}} } }""");
        for (var round = 0; round < 3; round++)
        {
            var layout = new OciLayout(_pusher.Folder[$"image{round}"]);
            var image = layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes($"round {round}")));
            layout.Tag("1", image);
            var signer = set.Gateways[(round + 1) % BucketSet.Count];
            (await _pusher.CraneAsync("push", "--insecure", layout.Root, $"{set.Gateways[round].Host}/held/app:v{round}")).Succeeded();
            foreach (var each in set.Gateways)
                Assert.Contains("DENIED", (await PullAsync(each, round)).Failed().Text, StringComparison.Ordinal);
            (await _pusher.RunAsync(
                "cosign2", "sign", "-y", "--allow-http-registry", "--key", _pusher.Folder["good.key"], "--tlog-upload=false",
                $"{signer.Host}/held/app@{image.Digest}")).Succeeded();
            foreach (var each in set.Gateways)
                Assert.Equal(image.Digest, (await PullAsync(each, round)).Succeeded().Stdout.Trim());
        }
    }

    private Task<Output> PullAsync(GatewayProcess gateway, int round) =>
        _puller.CraneAsync("digest", "--insecure", $"{gateway.Host}/held/app:v{round}");
}
