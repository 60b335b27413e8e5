namespace Gateway.BlackBox.Rig;

/// <summary>A reverse proxy of Debian's before the gateway: keeps connections to it, and logs each request as it read it.</summary>
internal sealed class Front : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly int _port = Server.FreePort();
    private Server? _server;

    private Front()
    {
    }

    public string Host => $"127.0.0.1:{_port}";

    /// <summary>
    /// Its access log, one line a request: method and target. A request of our own, the last, tells that all before it are there.
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
    /// <param name="gateway">Where the gateway listens, host:port.</param>
    public static async Task<Front> StartAsync(string name, string gateway)
    {
        var front = new Front();
        string[] arguments = name == "nginx"
            ? ["-p", front._folder.Path, "-e", "stderr", "-c", front._folder.Write("nginx.conf", front.Nginx(gateway))]
            : ["-db", "-f", front._folder.Write("haproxy.cfg", front.Haproxy(gateway))];
        front._server = Server.Start(RigFolder.Program(name), arguments);
        await front._server.WaitUntilReadyAsync(new Uri($"http://{front.Host}/v2/"), Patience.Of(30));
        return front;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }

    // Bodies pass as they come, and one connection is kept: what is left on it meets the next request.
    private string Nginx(string gateway) => $$"""
        daemon off; master_process off; worker_processes 1; pid {{_folder["pid"]}}; error_log stderr crit;
        events { worker_connections 256; }
        http {
            log_format asked '$request_method $request_uri'; access_log /dev/stdout asked;
            client_body_temp_path {{_folder["t1"]}}; proxy_temp_path {{_folder["t2"]}}; fastcgi_temp_path {{_folder["t3"]}};
            uwsgi_temp_path {{_folder["t4"]}}; scgi_temp_path {{_folder["t5"]}};
            upstream gateway { server {{gateway}}; keepalive 1; }
            server {
                listen 127.0.0.1:{{_port}}; merge_slashes off;
                location / {
                    proxy_pass http://gateway; proxy_http_version 1.1; proxy_request_buffering off; proxy_ignore_client_abort on;
                    proxy_set_header Connection ""; proxy_set_header Host $http_host;
                }
            }
        }
        """;

    private string Haproxy(string gateway) => $$"""
        global
            log stdout format raw local0
        defaults
            mode http
            log global
            log-format "%HM %HU"
            timeout connect 10s
            timeout client 30s
            timeout server 30s
            http-reuse always
        frontend clients
            bind 127.0.0.1:{{_port}}
            default_backend gateway
        backend gateway
            server gateway {{gateway}}

        """;
}
