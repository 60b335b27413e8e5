using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Registry.Hostile;

/// <summary>Every target of the corpus, asked by everybody: nobody gets by another spelling what he may not have by the right.</summary>
public sealed class PathTests : IAsyncLifetime
{
    private const string Marker = "only-for-the-admin";

    private static readonly string[] Known = ["reader", "pusher", "admin"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-paths-");
    private readonly ConcurrentQueue<Asked> _asked = new();
    private GatewayRig _rig = null!;
    private int _last;

    private sealed record Asked(int Number, string Actor, string Method, string Target, int Status, string Body)
    {
        public override string ToString() => $"{Actor}: {Method} {Target[..Math.Min(Target.Length, 120)]} was {Status} {Body}";
    }

    public async ValueTask InitializeAsync()
    {
        var accounts = Path.Combine(_folder.FullName, "htpasswd");
        File.WriteAllLines(accounts, Known.Select(name => AccessRig.Line(name, name)));
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Access = new()
            {
                Htpasswd = accounts,
                Rules =
                [
                    new(["anonymous"], ["open/**"], AccessActions.Pull),
                    new(["pusher"], ["other/**"], AccessActions.Pull | AccessActions.Push),
                    new(["admin"], ["**"], AccessActions.All),
                ],
            },
        });
        _rig.Client.DefaultRequestHeaders.Add("Authorization", AccessRig.Basic("admin", "admin"));
        await _rig.PushBlobAsync("secret/app", Encoding.UTF8.GetBytes(Marker));
        await _rig.PushManifestAsync("secret/app", "v1");
        await _rig.PushManifestAsync("open/app", "v1");
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Every_spelling_of_a_target_is_read_alike_by_routing_rights_and_logs()
    {
        var before = Files();
        await Task.WhenAll(
            AskAsync("anonymous", "", "secret"), AskAsync("anonymous", "", "absent"),
            AskAsync("wrong", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n", "secret"),
            AskAsync("wrong", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n", "absent"),
            AskAsync("reader", LoggedIn("reader"), "secret"), AskAsync("reader", LoggedIn("reader"), "absent"),
            AskAsync("pusher", LoggedIn("pusher"), "secret"), AskAsync("pusher", LoggedIn("pusher"), "absent"),
            AskAsync("admin", LoggedIn("admin"), "secret"));

        Assert.True(_asked.Count > 2000, $"{_asked.Count} requests");
        AssertNone(_asked.Where(each => each.Status >= 500));
        AssertNone(_asked.Where(each => each.Actor != "admin" && (IsGiven(each) || each.Body.Contains(Marker, StringComparison.Ordinal))));
        AssertNone(_asked.Where(each => each.Actor == "admin" && IsGiven(each) && PathCorpus.RepositoryOf(each.Target) is null));
        Assert.Contains(_asked, each => each is { Actor: "admin", Target: "/v2/secret/app/manifests/v1", Method: "GET", Status: 200 });
        AssertNone(Unlike());
        Assert.Equal(before, Files());
        await _rig.StopAsync();
        AssertNone(Misread());
    }

    // What changes nothing and shows nothing is given to everybody who has logged in.
    private static bool IsGiven(Asked each) =>
        each.Status is > 0 and < 400 && each.Target.Split('?')[0] is not ("/" or "/v2/" or "/v2" or "/v2/_catalog" or "/token");

    // A stranger must not tell what is there and forbidden from what is not there.
    private IEnumerable<string> Unlike()
    {
        var answers = _asked.ToLookup(
            each => (each.Actor, each.Method, Target: Alike(each.Target)),
            each => (each.Status, Body: Alike(each.Body)));
        return answers
            .Where(each => each.Key.Actor != "admin" && each.Distinct().Count() > 1)
            .Select(each => $"{each.Key}: {string.Join(" but ", each.Distinct())}");
    }

    private static string Alike(string text) => text
        .Replace("absent", "secret", StringComparison.Ordinal).Replace("ABSENT", "SECRET", StringComparison.Ordinal);

    // The access log says what was routed and allowed; the grammar says what was asked.
    private IEnumerable<string> Misread()
    {
        var asked = _asked.ToDictionary(each => each.Number.ToString(CultureInfo.InvariantCulture));
        var log = Encoding.UTF8.GetString(_rig.AccessLog.ToArray());
        foreach (var line in log.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var root = JsonDocument.Parse(line).RootElement;
            if (!root.TryGetProperty("userAgent", out var number) || !asked.TryGetValue(number.GetString()!, out var each)) continue;
            var read = root.TryGetProperty("repository", out var repository) ? repository.GetString() : null;
            var meant = PathCorpus.RepositoryOf(each.Target);
            // What is refused for its query or its reference may have been read or not; what is answered has been read right.
            var isRefused = each.Status is 400 or 401 or 404 or 405 or 414
                && (read is null || each.Target.StartsWith($"/v2/{read}/", StringComparison.Ordinal));
            if (read != meant && !isRefused) yield return $"{each} read as {read}, meant {meant}";
            if (root.GetProperty("status").GetInt32() != each.Status) yield return $"{each} logged as {line}";
        }
    }

    private async Task AskAsync(string actor, string credentials, string first)
    {
        using var line = new RawLine(_rig.Url);
        foreach (var (method, target) in PathCorpus.For(first))
        {
            var number = Interlocked.Increment(ref _last);
            var (status, body) = await line.SendAsync(method, target, $"User-Agent: {number}\r\n{credentials}");
            _asked.Enqueue(new(number, actor, method, target, status, body));
        }
    }

    private static string LoggedIn(string account) => $"Authorization: {AccessRig.Basic(account, account)}\r\n";

    // What the volume has, but for the sessions that the admin opens and what is noted of his reading; and whatever lies beside it.
    private string[] Files() =>
    [
        .. Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_rig.Storage)!, "*", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/gateway/", StringComparison.Ordinal)
                && !path.Contains("/_gateway/", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    private static void AssertNone<T>(IEnumerable<T> wrong)
    {
        T[] all = [.. wrong];
        if (all.Length > 0) Assert.Fail($"{all.Length} cases:\n{string.Join('\n', all.Take(40))}");
    }
}
