using System.Globalization;
using System.Text;

namespace Gateway.Bench;

/// <summary>The servers of a run, on free ports of 127.0.0.1. Each is started when a row needs it, and ends with the run.</summary>
internal sealed class Peers(Settings settings, string work)
{
    public const string Nginx = "nginx";
    public const string NginxCache = "nginx-cache";
    public const string Varnish = "varnish";
    public const string Registry = "docker-registry";
    public const string RegistryProxy = "docker-registry-proxy";

    /// <summary>The upstream itself: what a pull costs without a cache.</summary>
    public const string Direct = "direct";

    /// <summary>Limit of the limited upstream for each connection.</summary>
    public const int LimitMib = 32;

    private readonly Dictionary<string, Server> _servers = [];
    private readonly Dictionary<string, int> _ports = [];

    public string Work => work;

    /// <summary>The upstream's files.</summary>
    public string Www => Path.Combine(work, "www");

    /// <summary>The largest resident memory of the gateway in any row so far, in MiB.</summary>
    public double? GatewayPeak { get; private set; }

    private string Log => Path.Combine(work, "asked");

    public int PortOf(string name) => _ports.TryGetValue(name, out var port) ? port : _ports[name] = Server.FreePort();

    public Server this[string name] => _servers.TryGetValue(name, out var server) ? server : _servers[name] = Start(name);

    /// <summary>The path of content of the upstream at a server.</summary>
    public static string PathAt(string server, string rest, string upstream = "fast") =>
        server == Series.Gateway ? $"/v2/{upstream}/bench/app/{rest}" : $"/v2/bench/app/{rest}";

    /// <summary>The port at which a server has the content of an upstream.</summary>
    public int PortFor(string server, string upstream, bool tls = false)
    {
        var running = this[ProcessOf(server, upstream)];
        return (server, upstream, tls) switch
        {
            (Direct, "limited", _) => PortOf("upstream-limited"),
            (_, _, true) => PortOf($"{server}-tls"),
            _ => running.Port,
        };
    }

    /// <summary>The process that answers for a server.</summary>
    public static string ProcessOf(string server, string upstream) =>
        server == RegistryProxy && upstream == "limited" ? $"{RegistryProxy}-limited" : server;

    /// <summary>Ends a server, so that the next use starts it again.</summary>
    public void Stop(string name)
    {
        if (_servers.Remove(name, out var server)) server.Dispose();
    }

    public void ForgetPeaks()
    {
        foreach (var server in _servers.Values) server.ForgetPeak();
    }

    public void NotePeaks(Series series)
    {
        // Rows whose gateways are not among these servers have noted theirs.
        foreach (var (name, server) in _servers) series.Peaks.TryAdd(name, server.Peak);
        if (_servers.TryGetValue(Series.Gateway, out var gateway)) GatewayPeak = Math.Max(GatewayPeak ?? 0, gateway.Peak);
    }

    /// <summary>Length of the upstream's log, to be given to <see cref="MibSince"/>.</summary>
    public long LogLength => File.Exists(Log) ? new FileInfo(Log).Length : 0;

    /// <summary>MiB of the bodies that the upstream has sent since its log had this length.</summary>
    public double MibSince(long length)
    {
        using var log = new FileStream(Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        log.Seek(length, SeekOrigin.Begin);
        using var text = new StreamReader(log, Encoding.ASCII);
        return text.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Sum(line => long.Parse(line, CultureInfo.InvariantCulture)) / 1048576.0;
    }

    /// <summary>Removes the bytes that a cold pull left at a server, so that the next one writes into the same pages.</summary>
    public void Recycle(string server, string upstream, string digest)
    {
        switch (server)
        {
            case Series.Gateway:
                Requests.Purge(PortOf("operator"), digest);
                break;
            case Registry or RegistryProxy or "corp":
                Delete(Path.Combine(work, ProcessOf(server, upstream), "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..]));
                break;
            case NginxCache:
                Delete(Path.Combine(work, "nginx-cache-files"));
                break;
        }
    }

    /// <summary>
    /// Removes the bytes of a blob that a client of the gateway deleted: they would hold their pages until a collection, an hour later, and
    /// then in the trash.
    /// </summary>
    public void RemoveDeleted(string digest)
    {
        Delete(Path.Combine(work, Series.Gateway, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..]));
        Delete(Path.Combine(work, Series.Gateway, "gateway/trash"));
    }

    // Files of a folder; the folders stay, because servers hold them open or expect them.
    private static void Delete(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)) File.Delete(file);
    }

    private Server Start(string name)
    {
        // Caches need their upstream, the gateway also the registry that it is in front of.
        if (name is Series.Gateway or "without-policy" or NginxCache or Varnish || name.StartsWith(RegistryProxy, StringComparison.Ordinal))
            _ = this[Direct];
        if (name == Series.Gateway) _ = this["corp"];
        var server = name switch
        {
            Direct => StartNginx(name, Configurations.Upstream(Www, Log, PortOf(Direct), PortOf("upstream-limited"))),
            Nginx => StartNginx(name, Configurations.Static(work, Www, PortOf(Nginx), PortOf("nginx-tls"))),
            NginxCache => StartNginx(name, Configurations.Cache(work, PortOf(NginxCache), PortOf(Direct))),
            Varnish => StartVarnish(),
            Registry or "corp" => StartRegistry(name, null),
            RegistryProxy => StartRegistry(name, PortOf(Direct)),
            $"{RegistryProxy}-limited" => StartRegistry(name, PortOf("upstream-limited")),
            _ => StartGateway(name, Path.Combine(work, name), hasPolicy: name == Series.Gateway),
        };
        try
        {
            server.WaitFor("/v2/", Configurations.Credentials);
        }
        catch
        {
            server.Dispose();
            throw;
        }
        return server;
    }

    private Server StartNginx(string name, string text)
    {
        Directory.CreateDirectory(Path.Combine(Www, "v2"));
        File.WriteAllText(Path.Combine(Www, "v2/index.html"), "{}");
        var file = Write($"{name}.conf", Configurations.Nginx(Path.Combine(work, name), text));
        var folder = Directory.CreateDirectory(Path.Combine(work, name)).FullName;
        return Server.Start(
            work, name, PortOf(name), Path.Combine(settings.Rig, "bin/nginx"), "-p", folder, "-c", file, "-e", "stderr");
    }

    private Server StartVarnish()
    {
        var bench = Path.Combine(settings.Rig, "bench");
        // The unpacked compiler with its own libraries; the machine may have none.
        var libraries = Directory.EnumerateDirectories(Path.Combine(bench, "usr/lib"), "*-linux-gnu").First();
        var compiler = $"exec env LD_LIBRARY_PATH={libraries} {bench}/usr/bin/gcc --sysroot={bench} -O2 -shared -fPIC -o %o %s";
        return Server.Start(
            work, Varnish, PortOf(Varnish), Path.Combine(settings.Rig, "bin/varnishd"),
            "-F", "-j", "none", "-n", Path.Combine(work, Varnish), "-a", $"127.0.0.1:{PortOf(Varnish)}", "-T", "none",
            "-f", Write("varnish.vcl", Configurations.Varnish(PortOf(Direct))), "-s", "malloc,2g", "-p", $"cc_command={compiler}");
    }

    private Server StartRegistry(string name, int? upstream) => Server.Start(
        work, name, PortOf(name), Path.Combine(settings.Rig, "bin/docker-registry"), "serve",
        Write($"{name}.yml", Configurations.Registry(Path.Combine(work, name), PortOf(name), upstream)));

    /// <summary>Starts a gateway as a release does: <c>dotnet gateway.dll</c>, with no setting of the runtime.</summary>
    /// <param name="more">Further keys of its configuration.</param>
    /// <param name="bucket">The value of <c>storage.s3</c>; null for the disk alone.</param>
    public Server StartGateway(string name, string storage, bool hasPolicy, string more = "", string? bucket = null)
    {
        var ports = name == Series.Gateway ? PortOf("operator") : PortOf($"{name}-operator");
        var file = Write($"{name}.yaml", Configurations.Gateway(
            work, storage, bucket, hasPolicy, (PortOf(name), PortOf($"{name}-tls"), ports),
            (PortOf(Direct), PortOf("upstream-limited"), PortOf("corp"))) + more);
        return Server.Start(
            work, name, PortOf(name), "dotnet", Path.Combine(settings.Program, "gateway.dll"), "serve", "--config", file);
    }

    /// <summary>Starts a registry over a folder that another server may have written.</summary>
    public Server StartRegistryOver(string name, string storage) => Server.Start(
        work, name, PortOf(name), Path.Combine(settings.Rig, "bin/docker-registry"), "serve",
        Write($"{name}.yml", Configurations.Registry(storage, PortOf(name), null)));

    private string Write(string name, string text)
    {
        var path = Path.Combine(work, name);
        File.WriteAllText(path, text);
        return path;
    }
}
