using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Testing;

/// <summary>
/// An S3 server of the rig on a port of its own: Ceph, which behaves as stores in use do, or moto, which is light and does not check
/// signatures. Both know one account.
/// </summary>
internal sealed class S3Server : IAsyncDisposable
{
    public const string AccessKey = "AKIDTEST";
    public const string SecretKey = "secretsecretsecret";

    // An end of the standard input stops the server, also when the test program was killed.
    private const string Moto = "\"$0\" -H 127.0.0.1 -p \"$1\" >\"$2/out\" 2>&1 & p=$!; cat >/dev/null; kill $p";

    private readonly Process _process;
    private readonly DirectoryInfo _folder;

    private S3Server(string file, IEnumerable<string> arguments, int port, DirectoryInfo folder)
    {
        (Endpoint, _folder) = (new($"http://127.0.0.1:{port}"), folder);
        _process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    /// <summary>The server's address.</summary>
    public Uri Endpoint { get; }

    /// <summary>Starts Ceph, which takes about 15 s on two free cores; null if the rig lacks it.</summary>
    public static Task<S3Server?> StartCephAsync() => StartAsync("radosgw", (rig, folder, port) =>
        ("bash", [Path.Combine(Root(), "tests/rig/ceph.sh"), rig, folder, $"{port}", $"{FreePorts.Next()}"]));

    /// <summary>Starts moto, which takes about 2 s; null if the rig lacks it.</summary>
    public static Task<S3Server?> StartMotoAsync() => StartAsync("moto_server", (rig, folder, port) =>
        ("sh", ["-c", Moto, Path.Combine(rig, "bin/moto_server"), $"{port}", folder]));

    private static async Task<S3Server?> StartAsync(string program, Func<string, string, int, (string, string[])> command)
    {
        var rig = Environment.GetEnvironmentVariable("GATEWAY_RIG");
        if (rig is null || !File.Exists(Path.Combine(rig, "bin", program))) return null;
        var (folder, port) = (Directory.CreateTempSubdirectory("gateway-s3-"), FreePorts.Next());
        var (file, arguments) = command(Path.GetFullPath(rig), folder.FullName, port);
        var server = new S3Server(file, arguments, port, folder);
        using var client = new HttpClient();
        await Patience.UntilAsync(
            async () =>
            {
                if (server._process.HasExited) throw new InvalidOperationException($"{program} ended: {server.Tail()}");
                try
                {
                    using var answer = await client.GetAsync(server.Endpoint);
                    return true;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            () => $"{program} answers: {server.Tail()}", 120);
        return server;
    }

    /// <summary>Makes an empty bucket with a name of its own. Returns the name.</summary>
    /// <param name="owner">Null for the common account.</param>
    public async Task<string> NewBucketAsync(S3Account? owner = null)
    {
        var name = $"b{Guid.NewGuid():n}";
        await SendAsync(HttpMethod.Put, name, owner);
        return name;
    }

    /// <summary>Makes an account of Ceph.</summary>
    public async Task<S3Account> NewAccountAsync()
    {
        var account = NewKeys($"u{Guid.NewGuid():n}");
        await AdminAsync(["user", "create", "--display-name", account.Name, .. KeysOf(account)]);
        return account;
    }

    /// <summary>Gives an account of Ceph other keys beside those that it has.</summary>
    public async Task<S3Account> NewKeysAsync(S3Account account)
    {
        var next = NewKeys(account.Name);
        await AdminAsync(["key", "create", "--key-type", "s3", .. KeysOf(next)]);
        return next;
    }

    /// <summary>Removes the keys of an account of Ceph.</summary>
    public Task RemoveKeysAsync(S3Account account) =>
        AdminAsync("key", "rm", "--key-type", "s3", "--uid", account.Name, "--access-key", account.AccessKey);

    /// <summary>Sets what an account of Ceph can do: words of "read,write,delete".</summary>
    public Task AllowAsync(S3Account account, string operations) =>
        AdminAsync("user", "modify", "--uid", account.Name, "--op-mask", operations);

    private static S3Account NewKeys(string name) =>
        new(name, $"AKID{Guid.NewGuid():n}"[..20].ToUpperInvariant(), $"canaryXq7{Guid.NewGuid():n}");

    private static string[] KeysOf(S3Account account) =>
        ["--uid", account.Name, "--access-key", account.AccessKey, "--secret-key", account.SecretKey];

    private async Task AdminAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(
            Path.Combine(Environment.GetEnvironmentVariable("GATEWAY_RIG")!, "bin/radosgw-admin"), ["-n", "client.rgw", .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["CEPH_CONF"] = $"{_folder}/ceph.conf" },
        };
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().InTimeAsync("radosgw-admin ends");
        if (process.ExitCode != 0) throw new InvalidOperationException($"{string.Join(' ', arguments)}: {await output}{await error}");
    }

    /// <summary>Sends a request with a signature and no body.</summary>
    /// <param name="path">The bucket, or the bucket and a key of letters, digits and slashes.</param>
    /// <param name="account">Null for the common account.</param>
    public async Task<string> SendAsync(HttpMethod method, string path, S3Account? account = null)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(method, new Uri(Endpoint, path));
        Sign(request, account ?? S3Account.Common);
        using var answer = await client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode ? text : throw new HttpRequestException($"{method} {path}: {(int)answer.StatusCode} {text}");
    }

    // AWS Signature Version 4 of a request without a query and a body.
    private static void Sign(HttpRequestMessage request, S3Account account)
    {
        const string Signed = "host;x-amz-content-sha256;x-amz-date";
        var (url, empty) = (request.RequestUri!, Convert.ToHexStringLower(SHA256.HashData([])));
        var time = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var scope = $"{time[..8]}/us-east-1/s3/aws4_request";
        var canonical = $"{request.Method}\n{url.AbsolutePath}\n\nhost:{url.Authority}\nx-amz-content-sha256:{empty}\n"
            + $"x-amz-date:{time}\n\n{Signed}\n{empty}";
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)));
        var text = $"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}";
        var key = scope.Split('/').Aggregate(
            Encoding.UTF8.GetBytes($"AWS4{account.SecretKey}"), (key, part) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part)));
        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));
        request.Headers.TryAddWithoutValidation("x-amz-date", time);
        request.Headers.TryAddWithoutValidation("x-amz-content-sha256", empty);
        request.Headers.TryAddWithoutValidation(
            "Authorization", $"AWS4-HMAC-SHA256 Credential={account.AccessKey}/{scope}, SignedHeaders={Signed}, Signature={signature}");
    }

    private string Tail() =>
        string.Join('\n', _folder.EnumerateFiles("*out").SelectMany(file => File.ReadLines(file.FullName).TakeLast(5)));

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Gateway.sln"))) folder = folder.Parent!;
        return folder.FullName;
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync().InTimeAsync("the S3 server ends");
        _process.Dispose();
        _folder.Delete(recursive: true);
    }
}

/// <summary>An account of an S3 server, with one pair of its keys.</summary>
internal sealed record S3Account(string Name, string AccessKey, string SecretKey)
{
    /// <summary>The account that every server knows.</summary>
    public static S3Account Common { get; } = new("test", S3Server.AccessKey, S3Server.SecretKey);
}

/// <summary>The S3 servers of a test assembly: each is started when the first test needs it, and serves all of them.</summary>
/// <remarks>For the whole assembly: <c>[assembly: AssemblyFixture(typeof(S3Servers))]</c>.</remarks>
public sealed class S3Servers : IAsyncDisposable
{
    private readonly Lazy<Task<S3Server?>> _ceph = new(S3Server.StartCephAsync);
    private readonly Lazy<Task<S3Server?>> _moto = new(S3Server.StartMotoAsync);

    /// <summary>Null if the rig lacks it.</summary>
    internal Task<S3Server?> CephAsync() => _ceph.Value;

    /// <summary>Null if the rig lacks it.</summary>
    internal Task<S3Server?> MotoAsync() => _moto.Value;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in (Lazy<Task<S3Server?>>[])[_ceph, _moto])
        {
            if (server.IsValueCreated && await server.Value is { } started) await started.DisposeAsync();
        }
    }
}
