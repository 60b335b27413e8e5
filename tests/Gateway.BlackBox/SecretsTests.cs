using System.Net;
using System.Security.Cryptography;
using System.Text;
using Gateway.BlackBox.Rig;
using Scripted;

namespace Gateway.BlackBox;

/// <summary>
/// Secrets in every place where one is configured, shown, sent or received. No output of the gateway has any of them, and each upstream
/// received only its own. The logs are checked when the gateway ends, as in every other test here.
/// </summary>
public sealed class SecretsTests : IAsyncLifetime
{
    private const string Name = "team/app";

    private readonly TempFolder _folder = new();
    private readonly List<(string What, string Text)> _texts = [];
    private readonly byte[] _layer = RandomNumberGenerator.GetBytes(100_000);
    private readonly List<ScriptedUpstream> _servers = [];
    private ScriptedImage _image = null!;
    private ScriptedUpstream _corp = null!;
    private ScriptedUpstream _hub = null!;
    private ScriptedUpstream _tokens = null!;
    private ScriptedUpstream _helped = null!;
    private ScriptedUpstream _storage = null!;
    private ScriptedUpstream _collector = null!;

    public async ValueTask InitializeAsync()
    {
        for (var host = 1; host <= 6; host++) _servers.Add(await ScriptedUpstream.StartAsync($"127.0.0.{host}"));
        (_corp, _hub, _tokens) = (_servers[0], _servers[1], _servers[2]);
        (_helped, _storage, _collector) = (_servers[3], _servers[4], _servers[5]);
        foreach (var upstream in _servers.Take(4)) _image = upstream.AddImage(Name, "v1", _layer);
        _corp.RequireBasic("robot", Canary.Secret("corp"));
        var access = _hub.RequireToken(_tokens);
        (access.Username, access.Password) = ("robot", Canary.Secret("hub"));
        _helped.RequireToken().RefreshToken = Canary.Secret("helped");
        // Blobs are at another address, which is itself a secret and does not work.
        _corp.When(r => r.IsAnyBlob && r.Authorization is not null)
            .Redirect(new Uri(_storage.Url, $"/bucket/blob?X-Amz-Signature={Canary.Secret("signed")}"));
        _storage.When(_ => true).Respond(403, $"<Error><StringToSign>{Canary.Secret("bucket")}</StringToSign></Error>", "application/xml");
        var error = $$"""{"errors":[{"code":"UNKNOWN","message":"{{Canary.Secret("error")}}","detail":"{{Canary.Secret("detail")}}"}]}""";
        _hub.When(r => r.IsAnyManifest && r.Reference == "broken").Respond(500, error);
        _hub.When(r => r.IsAnyManifest && r.Reference == "locked")
            .Challenge($"Bearer realm=\"http://u:{Canary.Secret("realm")}@127.0.0.9/token?s={Canary.Secret("query")}\",service=\"x\"");
        _hub.When(r => r.IsAnyManifest && r.Reference == "moved")
            .Redirect(new Uri($"http://u:{Canary.Secret("location")}@127.0.0.9/?s={Canary.Secret("moved")}"));
        _collector.When(_ => true).Respond(200);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task No_secret_is_in_any_output_or_at_any_host_but_its_own()
    {
        var client = new Client();
        var authority = new Authority(_folder);
        var account = (await client.RunAsync("htpasswd", "-nbB", "ci", Canary.Secret("ci"))).Succeeded().Stdout.Trim();
        var configuration = Configuration(account);
        await using (var gateway = await GatewayProcess.StartAsync(configuration, authority: authority, environment: Surroundings()))
        {
            using var http = new HttpClient(Handler()) { BaseAddress = new Uri($"https://{gateway.Host}") };
            await PullAsync(http);
            await LogInAsync(http);
            await PushAsync(http);
            await AskOperatorAsync(gateway);
            await AskCommandsAsync(client, gateway);
        }
        foreach (var line in File.ReadLines(authority.KeyFile).Where(l => !l.StartsWith('-')))
            Assert.DoesNotContain(_texts, seen => seen.Text.Contains(line, StringComparison.Ordinal));
        _texts.Add(("the audit log", File.ReadAllText(_folder["audit.log"])));
        Assert.NotEqual("", _texts[^1].Text);
        foreach (var (what, text) in _texts) Canary.IsNotIn(what, text);
        Assert.NotEmpty(_collector.Requests);
        Assert.All(_collector.Requests, request => Canary.IsNotIn("a trace", request.Form));
        EachHasSeenOnlyItsOwn();
        client.Dispose();
    }

    private void EachHasSeenOnlyItsOwn()
    {
        Saw(_corp, Canary.Secret("corp"));
        Saw(_hub);
        Saw(_tokens, Canary.Secret("hub"));
        Saw(_helped, Canary.Secret("helped"));
        Saw(_storage, Canary.Secret("signed"));
    }

    // Its own secret at least once, and no other.
    private static void Saw(ScriptedUpstream server, params string[] own)
    {
        Assert.NotEmpty(server.Requests);
        var all = string.Join('\n', server.Requests.Select(Text));
        foreach (var secret in own)
        {
            Assert.Contains(secret, all, StringComparison.Ordinal);
            all = all.Replace(secret, "", StringComparison.Ordinal);
        }
        Canary.IsNotIn($"a request to {server.Url}", all);

        static string Text(ReceivedRequest request) => string.Join(
            '\n', [$"{request.Path}{request.Query}", request.Form, .. request.Headers.Select(h => $"{h.Key}: {Plain(h.Value)}")]);

        static string Plain(string value) => value.StartsWith("Basic ", StringComparison.Ordinal)
            ? Encoding.UTF8.GetString(Convert.FromBase64String(value[6..]))
            : value;
    }

    private string Configuration(string account) => $$"""
        audit: { path: "{{_folder["audit.log"]}}" }
        access:
          htpasswd: "{{_folder.Write("htpasswd", account + "\n")}}"
          rules:
            - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            - { actors: [anonymous], repositories: ["corp/**", "hub/**", "helped/**", "gone/**"], actions: [pull] }
        policy:
          default: allow
          rules:
            - { id: few, match: { repos: ["denied/**"] }, require: { annotations: { team: mine } } }
        upstreams:
          corp:
            url: {{_corp.Url}}
            credentials: { username: robot, passwordFile: "{{_folder.Write("corp", Canary.Secret("corp") + "\n")}}" }
            redirects: [127.0.0.5]
          hub: { url: "{{_hub.Url}}", realms: ["{{_tokens.Url}}"], credentials: { username: robot } }
          helped: { url: "{{_helped.Url}}", credentials: { helper: "{{Helper()}}" } }
          gone: { url: "http://127.0.0.1:9", credentials: { username: robot, password: {{Canary.Secret("gone")}} } }
        """;

    private Dictionary<string, string> Surroundings() => new()
    {
        ["GATEWAY__UPSTREAMS__HUB__CREDENTIALS__PASSWORD"] = Canary.Secret("hub"),
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = _collector.Url.ToString(),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
    };

    // Credential helpers may print more than the credential.
    private string Helper()
    {
        var secret = Canary.Secret("helped");
        var path = _folder.Write("helper", $$"""
            #!/bin/sh
            read server
            echo "got {{secret}}" >&2
            echo '{"Username":"<token>","Secret":"{{secret}}"}'
            """);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private static HttpClientHandler Handler() => new()
    {
        AllowAutoRedirect = false,
        ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator,
    };

    private async Task PullAsync(HttpClient http)
    {
        foreach (var upstream in (string[])["corp", "hub", "helped", "gone"])
        {
            foreach (var reference in (string[])["v1", "none", "broken", "locked", "moved"])
                await RequestAsync(http, HttpMethod.Get, $"/v2/{upstream}/{Name}/manifests/{reference}");
            await RequestAsync(http, HttpMethod.Get, $"/v2/{upstream}/{Name}/blobs/{_image.Layers[0]}");
            var query = $"n=1&last=a&token={Canary.Secret("asked")}";
            await RequestAsync(http, HttpMethod.Get, $"/v2/{upstream}/{Name}/tags/list?{query}");
        }
        await RequestAsync(http, HttpMethod.Get, $"/v2/{Name}/manifests/v1?ns=me:{Canary.Secret("ns")}@127.0.0.1");
    }

    private async Task LogInAsync(HttpClient http)
    {
        string[] shown =
        [
            Basic("ci", "ci"), Basic("ci", "wrong"), Basic("nobody", "unknown"), $"Basic {Canary.Secret("no-base64")}",
            $"Bearer {Canary.Secret("bearer")}", $"Bearer eyJhbGciOiJub25lIn0.e30.{Canary.Secret("identity")}", Canary.Secret("scheme"),
        ];
        foreach (var authorization in shown)
        {
            await RequestAsync(http, HttpMethod.Get, "/v2/", authorization);
            await RequestAsync(http, HttpMethod.Get, $"/v2/{Name}/manifests/v1", authorization);
            await RequestAsync(http, HttpMethod.Get, $"/token?service=x&account=ci&password={Canary.Secret("query")}", authorization);
        }
        string[] forms = ["grant_type=password&username=ci&password=", "grant_type=refresh_token&refresh_token=", "grant_type="];
        foreach (var form in forms)
        {
            var content = new StringContent(form + Canary.Secret("form"), Encoding.UTF8, "application/x-www-form-urlencoded");
            await RequestAsync(http, HttpMethod.Post, "/token", null, content);
        }
    }

    private async Task PushAsync(HttpClient http)
    {
        var config = "{\"os\":\"linux\"}"u8.ToArray();
        var manifest = RawClient.Manifest(Described.Of(config, OciLayout.ImageConfig));
        foreach (var repository in (string[])["own/app", "denied/app"])
        {
            var upload = $"/v2/{repository}/blobs/uploads/?digest={Uri.EscapeDataString(Described.Sha256(config))}";
            await RequestAsync(http, HttpMethod.Post, upload, Basic("ci", "ci"), RawClient.Body(config));
            var body = RawClient.Body(manifest, OciLayout.ImageManifest);
            await RequestAsync(http, HttpMethod.Put, $"/v2/{repository}/manifests/v1", Basic("ci", "ci"), body);
        }
        Assert.Contains(_texts, seen => seen.Text.Contains("Gateway-Decision", StringComparison.Ordinal));
        var decision = _texts.Select(h => h.Text).First(t => t.Contains("Gateway-Decision: ", StringComparison.Ordinal))
            .Split("Gateway-Decision: ")[1].Split('\r', '\n')[0];
        await RequestAsync(http, HttpMethod.Get, $"/-/decisions/{decision}", Basic("ci", "ci"));
    }

    private async Task AskOperatorAsync(GatewayProcess gateway)
    {
        using var http = new HttpClient { BaseAddress = gateway.Operator };
        foreach (var path in (string[])["/metrics", "/readyz?verbose", "/api/v1/stats", $"/api/v1/{Canary.Secret("path")}"])
            await RequestAsync(http, HttpMethod.Get, path, $"Bearer {Canary.Secret("operator")}");
        var body = $$"""{"references":["corp/{{Name}}:v1","hub/{{Name}}:broken"]}""";
        await RequestAsync(http, HttpMethod.Post, "/api/v1/prefetch", null, new StringContent(body, Encoding.UTF8, "application/json"));
    }

    // The output that prints a configuration. Configurations with mistakes about secrets are tested in Gateway.Tests.
    private async Task AskCommandsAsync(Client client, GatewayProcess gateway)
    {
        foreach (var (name, value) in Surroundings()) client.Environment[name] = value;
        string[][] commands = [["verify"], ["verify", "--json"], ["stats"], ["stats", "--json"], ["policy", "lint"], ["schema"]];
        foreach (var command in commands)
        {
            string[] file = command[0] == "schema" ? [] : ["--config", gateway.ConfigurationFile];
            var output = await client.RunAsync("dotnet", [GatewayProcess.Assembly, .. command, .. file]);
            _texts.Add((string.Join(' ', command), output.Text));
        }
    }

    private static string Basic(string name, string secret) => $"Basic {RawClient.Basic(name, Canary.Secret(secret)).Parameter}";

    private async Task RequestAsync(
        HttpClient http, HttpMethod method, string target, string? authorization = null, HttpContent? content = null)
    {
        using var request = new HttpRequestMessage(method, target) { Content = content };
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        request.Headers.TryAddWithoutValidation("Cookie", $"session={Canary.Secret("cookie")}");
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        string body;
        try
        {
            body = await answer.Content.ReadAsStringAsync();
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            body = ""; // Cut off: the content could not be fetched.
        }
        // The link to the next page repeats the position that the client sent.
        var headers = answer.Headers.Where(h => h.Key != "Link").Concat(answer.Content.Headers);
        var text = string.Join("\r\n", headers.Select(h => $"{h.Key}: {string.Join(", ", h.Value)}"));
        _texts.Add(($"{method} {target}", $"{(int)answer.StatusCode}\r\n{text}\r\n\r\n{body}"));
    }
}
