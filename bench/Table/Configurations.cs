namespace Gateway.Bench;

/// <summary>The configuration of each server.</summary>
internal static class Configurations
{
    public const string ManifestType = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>The header that asks for a manifest, with the end of the line.</summary>
    public const string Accept = $"Accept: {ManifestType}\r\n";

    /// <summary>The account that pushes: <c>htpasswd -nbBC 5 ci bench-password</c>.</summary>
    public const string Account = "ci:$2y$05$dOAsKdTljzqAhPY3DIg3Uu7UGsk97MOHFq5lW4LBbDf/w//Ug1gmK";

    /// <summary>Its header, with the end of the line.</summary>
    public const string Credentials = "Authorization: Basic Y2k6YmVuY2gtcGFzc3dvcmQ=\r\n";

    /// <summary>
    /// A gateway with access rules, a policy, metrics, and the access log, which is always on. Its limits of connections are those of the
    /// row with idle ones.
    /// </summary>
    public static string Gateway(
        string work, string storage, string? bucket, bool hasPolicy, (int Client, int Tls, int Operator) ports,
        (int Fast, int Limited, int Corp) upstreams) =>
        $$"""
        listen: ["http://127.0.0.1:{{ports.Client}}", "https://127.0.0.1:{{ports.Tls}}"]
        tls: { certificate: "{{work}}/cert.pem", key: "{{work}}/key.pem" }
        operator: http://127.0.0.1:{{ports.Operator}}
        storage: { path: "{{storage}}"{{(bucket is null ? "" : $", s3: {bucket}")}} }
        cache: { maxSize: 100GiB }
        limits: { connections: 20000, connectionsPerAddress: 20000 }
        upstreams:
          fast: { url: "http://127.0.0.1:{{upstreams.Fast}}" }
          limited: { url: "http://127.0.0.1:{{upstreams.Limited}}" }
          corp: { url: "http://127.0.0.1:{{upstreams.Corp}}" }
        routes:
          - { prefix: corp, upstream: corp, push: forward }
          - { prefix: "", storage: built-in }
        access:
          htpasswd: "{{work}}/htpasswd"
          rules:
            - { actors: [anonymous], repositories: ["**"], actions: [pull] }
            - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }

        """ + (hasPolicy
            ? """
              policy:
                default: allow
                artifactTypes: {}
                rules:
                  - id: types
                    match: { repos: ["**"] }
                    require: { artifactTypes: true, limits: { maxTotalBytes: 100GiB, maxLayers: 100 } }

              """
            : "");

    /// <summary>One process of nginx, which writes below one folder.</summary>
    public static string Nginx(string folder, string http) =>
        $$"""
        daemon off; master_process off; worker_processes 1; pid {{folder}}.pid; error_log stderr crit;
        events { worker_connections 12000; }
        http {
            sendfile on; tcp_nopush on; keepalive_requests 100000000; server_tokens off; default_type application/octet-stream;
            client_body_temp_path {{folder}}/t1; proxy_temp_path {{folder}}/t2; fastcgi_temp_path {{folder}}/t3;
            uwsgi_temp_path {{folder}}/t4; scgi_temp_path {{folder}}/t5;
        {{http}}
        }

        """;

    /// <summary>The upstream: one port without a limit, one with a limit for each connection. It logs the bytes of each answer.</summary>
    public static string Upstream(string www, string log, int fast, int limited) =>
        $$"""
            log_format sent '$body_bytes_sent'; access_log {{log}} sent; root {{www}}; index index.html;
            server { listen 127.0.0.1:{{fast}}; {{Manifests}} }
            server { listen 127.0.0.1:{{limited}}; limit_rate {{Peers.LimitMib}}m; {{Manifests}} }
        """;

    /// <summary>The upstream's files served as well as nginx can: what the machine can do.</summary>
    public static string Static(string work, string www, int port, int tls) =>
        $$"""
            access_log off; root {{www}}; index index.html; open_file_cache max=1000; open_file_cache_valid 60s;
            server {
                listen 127.0.0.1:{{port}}; listen 127.0.0.1:{{tls}} ssl;
                ssl_certificate {{work}}/cert.pem; ssl_certificate_key {{work}}/key.pem; ssl_protocols TLSv1.3;
                {{Manifests}}
            }
        """;

    public static string Cache(string work, int port, int upstream) =>
        $$"""
            access_log off;
            proxy_cache_path {{work}}/nginx-cache-files levels=1:2 use_temp_path=off keys_zone=all:10m max_size=50g inactive=1h;
            upstream fast { server 127.0.0.1:{{upstream}}; keepalive 16; }
            server {
                listen 127.0.0.1:{{port}};
                location / {
                    proxy_pass http://fast; proxy_http_version 1.1; proxy_set_header Connection "";
                    proxy_cache all; proxy_cache_valid 200 1h; proxy_cache_lock on; proxy_cache_lock_age 60s; proxy_cache_lock_timeout 60s;
                }
            }
        """;

    public static string Varnish(int upstream) =>
        $$"""
        vcl 4.1;
        backend fast { .host = "127.0.0.1"; .port = "{{upstream}}"; }
        sub vcl_backend_response { set beresp.ttl = 1h; }

        """;

    /// <summary>
    /// CNCF distribution as it comes, without access log, with its descriptor cache; in its proxy mode if there is an upstream.
    /// </summary>
    public static string Registry(string storage, int port, int? upstream) =>
        $$"""
        version: 0.1
        log: { level: error, accesslog: { disabled: true } }
        storage: { filesystem: { rootdirectory: "{{storage}}" }, cache: { blobdescriptor: inmemory } }
        http: { addr: "127.0.0.1:{{port}}" }

        """ + (upstream is null ? "" : $"proxy: {{ remoteurl: \"http://127.0.0.1:{upstream}\" }}\n");

    private const string Manifests = $$"""location ~ ^/v2/.*/manifests/ { default_type {{ManifestType}}; }""";
}
