namespace Gateway.BlackBox.Rig;

/// <summary>A reverse proxy of Debian in front of the gateway: it reuses connections, and logs each request as it read it.</summary>
internal sealed class Front : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly int _port = FreePorts.Next();
    private readonly Authority? _authority;
    private readonly IReadOnlyList<int>? _operators;
    private readonly bool _repeats;
    private Server? _server;

    private Front(Authority? authority, IReadOnlyList<int>? operators, bool repeats) =>
        (_authority, _operators, _repeats) = (authority, operators, repeats);

    public string Host => $"127.0.0.1:{_port}";

    /// <summary>
    /// Its access log, one line for each request: method and target. This method sends a last request and waits for its line, so that all
    /// earlier lines are written.
    /// </summary>
    public async Task<string[]> SettledAsync()
    {
        var mark = $"/v2/?mark={Guid.NewGuid():N}";
        using var http = new HttpClient();
        (await http.GetAsync(new Uri($"http://{Host}{mark}"))).Dispose();
        await Eventually.TrueAsync(
            () => Task.FromResult(_server!.Output.Contains($"GET {mark}")),
            () => $"{mark} is not in the log:\n{_server!.Tail()}");
        return _server!.Output;
    }

    /// <param name="name"><c>nginx</c> or <c>haproxy</c>.</param>
    /// <param name="gateway">
    /// The gateway's address, host:port. For haproxy also several with spaces between: each gets the next request.
    /// </param>
    /// <param name="authority">
    /// With it, the proxy terminates TLS with this certificate, sends its own Host, and describes the client's request in headers. Null for
    /// plain HTTP with the client's Host.
    /// </param>
    /// <param name="ready">A target that is answered with 200; null for the ping, or with an authority for a token.</param>
    /// <param name="operators">
    /// For haproxy: the operator port of each gateway, which says whether it is ready for requests; null to send requests to every gateway
    /// that accepts connections.
    /// </param>
    /// <param name="repeats">
    /// For haproxy: whether a request is sent to another gateway when the first one closes the connection without a response.
    /// </param>
    public static async Task<Front> StartAsync(
        string name, string gateway, Authority? authority = null, string? ready = null, IReadOnlyList<int>? operators = null,
        bool repeats = false)
    {
        var front = new Front(authority, operators, repeats);
        string[] arguments = name == "nginx"
            ? ["-p", front._folder.Path, "-e", "stderr", "-c", front._folder.Write("nginx.conf", front.Nginx(gateway))]
            : ["-db", "-f", front._folder.Write("haproxy.cfg", front.Haproxy(gateway))];
        front._server = Server.Start(RigFolder.Program(name), arguments);
        // With accounts, the ping returns 401 and the request for an anonymous token 200.
        var url = authority is null ? $"http://{front.Host}{ready ?? "/v2/"}" : $"https://{front.Host}{ready ?? "/token"}";
        await front._server.WaitUntilReadyAsync(new Uri(url), Patience.Of(30));
        return front;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }

    private const string ReadyCheck =
        "    option httpchk GET /readyz\n    timeout check 5s\n    default-server on-marked-down shutdown-sessions";

    // A request can be sent again if its body fits into a buffer.
    private const string LargeBuffers = "    tune.bufsize 65536";

    private string PortOf(int gateway) => _operators is null ? "" : $" port {_operators[gateway]} fall 2 rise 1";

    // Bodies are not buffered and one connection is reused, so unread bytes on it would precede the next request.
    private string Nginx(string gateway) => $$"""
        daemon off; master_process off; worker_processes 1; pid {{_folder["pid"]}}; error_log stderr crit;
        events { worker_connections 256; }
        http {
            log_format asked '$request_method $request_uri'; access_log /dev/stdout asked;
            client_body_temp_path {{_folder["t1"]}}; proxy_temp_path {{_folder["t2"]}}; fastcgi_temp_path {{_folder["t3"]}};
            uwsgi_temp_path {{_folder["t4"]}}; scgi_temp_path {{_folder["t5"]}};
            upstream gateway { server {{gateway}}; keepalive 1; }
            server {
                listen 127.0.0.1:{{_port}}{{(_authority is null ? "" : " ssl")}}; merge_slashes off; client_max_body_size 0;
                {{(_authority is null ? "" : $"ssl_certificate {_authority.CertificateFile}; ssl_certificate_key {_authority.KeyFile};")}}
                location / {
                    proxy_pass http://gateway; proxy_http_version 1.1; proxy_request_buffering off; proxy_ignore_client_abort on;
                    proxy_set_header Connection ""; {{(_authority is null ? "proxy_set_header Host $http_host;" : NginxForwarded)}}
                }
            }
        }
        """;

    private const string NginxForwarded = """
        proxy_set_header Host inner.example; proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header Forwarded "";
        """;

    private string HaproxyTls()
    {
        if (_authority is null) return "";
        var pair = File.ReadAllText(_authority.CertificateFile) + "\n" + File.ReadAllText(_authority.KeyFile);
        return $" ssl crt {_folder.Write("front.pem", pair)}";
    }

    // Sends the standard header, and removes the older ones that a client sent.
    private string HaproxyForwarded => _authority is null
        ? ""
        : """
                http-request del-header x-forwarded- -m beg
                http-request set-header Forwarded "for=%[src];proto=https;host=\"%[req.hdr(host)]\""
                http-request set-header Host inner.example
            """;

    private string Haproxy(string gateway) => $$"""
        global
            log stdout format raw local0
        {{(_repeats ? LargeBuffers : "")}}
        defaults
            mode http
            log global
            log-format "%HM %HU"
            timeout connect 10s
            timeout client 120s
            timeout server 120s
            http-reuse {{(_operators is null ? "always" : "safe")}}
        frontend clients
            bind 127.0.0.1:{{_port}}{{HaproxyTls()}}
        {{HaproxyForwarded}}
            default_backend gateway
        backend gateway
            balance roundrobin
            retries 4
            option redispatch 1
        {{(_repeats ? "    retry-on conn-failure empty-response" : "")}}
        {{(_operators is null ? "" : ReadyCheck)}}
        {{string.Join('\n', gateway.Split(' ').Select((each, i) => $"    server gateway{i} {each} check inter 500ms{PortOf(i)}"))}}

        """;
}
