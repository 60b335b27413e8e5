using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// A gateway that holds pushes below <c>held/</c> until a key has signed them, a client with the right to push, and one with only the right
/// to pull.
/// </summary>
public abstract partial class HoldScenario : IAsyncDisposable
{
    private protected const string Password = "a test's password";

    private readonly DeadEnd _internet = new();
    private IRegistry? _registry;
    private Dockerd? _docker;

    private protected Client Pusher { get; } = new();

    private protected Client Puller { get; } = new();

    private protected IRegistry Registry => _registry ?? throw new InvalidOperationException("The gateway was not started.");

    private protected GatewayProcess Gateway => (GatewayProcess)Registry;

    public async ValueTask DisposeAsync()
    {
        if (_registry is not null && TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(_registry.Log);
        if (_docker is not null) await _docker.DisposeAsync();
        if (_registry is not null) await _registry.DisposeAsync();
        _internet.Dispose();
        Pusher.Dispose();
        Puller.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected string At(string reference) => $"{Registry.Host}/{reference}";

    private protected async Task StartAsync(string onMissing = "quarantine", string? storage = null)
    {
        foreach (var name in new[] { "good", "wrong" })
            (await Pusher.RunAsync("cosign2", "generate-key-pair", "--output-key-prefix", name)).Succeeded();
        var account = (await Pusher.RunAsync("htpasswd", "-nbB", "ci", Password)).Succeeded().Stdout.Trim();
        Pusher.Folder.Write("htpasswd", account + "\n");
        _registry = await OpenAsync($$"""
            access:
              tokenKeyFile: "{{Pusher.Folder.Write("token-key", "a-secret-of-all-gateways")}}"
              htpasswd: "{{Pusher.Folder["htpasswd"]}}"
              rules:
                - { actors: [anonymous], repositories: ["**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{Pusher.Folder["good.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules:
                - id: held
                  match: { repos: ["held/**"] }
                  require: { signatures: [{ authority: release }] }
                  onMissing: {{onMissing}}
            """, storage);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        Pusher.Folder.Write("home/.docker/config.json", $$$"""{ "auths": { "{{{_registry.Host}}}": { "auth": "{{{login}}}" } } }""");
    }

    /// <param name="yaml">Lines of the configuration.</param>
    /// <param name="storage">See <see cref="GatewayProcess.StartAsync"/>.</param>
    private protected virtual async Task<IRegistry> OpenAsync(string yaml, string? storage) =>
        await GatewayProcess.StartAsync(yaml, storage);

    /// <summary>The pusher's dockerd, which can reach registries only on loopback.</summary>
    private protected async Task<Dockerd> DockerAsync(bool containerdStore) =>
        _docker ??= await Dockerd.StartAsync(Pusher, "{}", containerdStore, _internet.Url);

    private protected async Task<Output> SignAsync(string cosign, string key, string reference, params string[] options)
    {
        string[] offline = cosign == "cosign2" ? ["--tlog-upload=false"]
            : options.Contains("--new-bundle-format=false") ? ["--tlog-upload=false", "--use-signing-config=false"]
            : [$"--signing-config={await ServicesAsync()}"];
        return await Pusher.RunAsync(
            cosign, ["sign", "-y", "--allow-http-registry", "--key", Pusher.Folder[$"{key}.key"], .. offline, .. options, At(reference)]);
    }

    private protected async Task AssertHiddenAsync(string reference)
    {
        var refused = (await Puller.CraneAsync("manifest", "--insecure", At(reference))).Failed();
        Assert.Contains("DENIED", refused.Text, StringComparison.Ordinal);
    }

    private protected async Task AssertSeenAsync(Client by, string reference, string digest) =>
        Assert.Equal(digest, (await by.CraneAsync("digest", "--insecure", At(reference))).Succeeded().Stdout.Trim());

    // Names no transparency log and no timestamp authority, so that no outside service is contacted.
    private async Task<string> ServicesAsync()
    {
        (await Pusher.RunAsync("cosign3", "signing-config", "create", "--out", Pusher.Folder["services.json"])).Succeeded();
        return Pusher.Folder["services.json"];
    }
}
