using System.Text.RegularExpressions;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Tests.Repositories;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>The console on a listener: who can log in, what each account sees and does, and when a session ends.</summary>
public sealed partial class ListenerConsoleTests : IAsyncLifetime
{
    private const string Password = "a test's password";

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-console-").FullName;
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        await WriteAccountsAsync("puller", "pusher", "chief");
        _rig = await GatewayRig.StartAsync(Configure);
        await PushAsync("team/app");
        await PushAsync("secret/app");
        await PushAsync("held/app");
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string Htpasswd => Path.Combine(_folder, "htpasswd");

    private Task WriteAccountsAsync(params string[] accounts) => File.WriteAllLinesAsync(
        Htpasswd, accounts.Select(account => $"{account}:{BCrypt.Net.BCrypt.HashPassword(Password, 5)}"));

    private GatewayOptions Configure(GatewayOptions options) => options with
    {
        Console = new() { Listen = true },
        Access = new()
        {
            Htpasswd = Htpasswd,
            Rules =
            [
                new(["puller"], ["team/**", "held/**"], AccessActions.Pull),
                new(["pusher"], ["team/**", "held/**"], AccessActions.Pull | AccessActions.Push),
                new(["chief"], ["**"], AccessActions.All | AccessActions.Admin),
            ],
        },
        Policy = new()
        {
            Default = Outcome.Allow,
            Trust = new()
            {
                Authorities = System.Collections.Immutable.ImmutableSortedDictionary<string, AuthorityOptions>.Empty
                    .Add("release", new("release")),
            },
            Rules = [HoldRig.Rule(OnMissing.Quarantine) with { Repositories = ["held/**"] }],
        },
    };

    private Task PushAsync(string repository) => PushAsync(_rig, repository);

    private static async Task PushAsync(GatewayRig rig, string repository)
    {
        var login = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"chief:{Password}"));
        rig.Client.DefaultRequestHeaders.Authorization = new("Basic", login);
        await rig.PushManifestAsync(repository, "v1");
        rig.Client.DefaultRequestHeaders.Authorization = null;
    }

    [Fact]
    public async Task Visitor_without_a_login_sees_only_the_form()
    {
        using var person = new Person(_rig.Url);
        string[] paths = ["", "/", "/repositories", "/tags?repository=team/app", "/holds", "/policy", "/live/holds", "/nothing"];
        foreach (var path in paths)
        {
            using var answer = await person.GetAsync(path);
            var page = await answer.Content.ReadAsStringAsync();
            Assert.Equal((path, 401), (path, (int)answer.StatusCode));
            Assert.Contains("name=\"password\"", page, StringComparison.Ordinal);
            Assert.DoesNotContain("team/app", page, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("puller", "a wrong password")]
    [InlineData("nobody", Password)]
    public async Task Wrong_account_or_password_opens_no_session(string account, string password)
    {
        using var person = new Person(_rig.Url);

        Assert.Equal(401, await person.LogInAsync(account, password));

        Assert.Empty(person.Cookies);
    }

    [Fact]
    public async Task Cookie_is_out_of_reach_of_scripts_and_other_sites()
    {
        using var person = new Person(_rig.Url);

        Assert.Equal(303, await person.LogInAsync("puller", Password));

        Assert.Matches(
            "^gateway-console=[0-9a-f]{64}; path=/-/console; samesite=strict; httponly$", Assert.Single(person.SetCookies));
    }

    [Theory]
    [InlineData("puller", "held/app team/app", "", 404)]
    [InlineData("pusher", "held/app team/app", "held/app", 404)]
    [InlineData("chief", "held/app secret/app team/app", "held/app", 200)]
    public async Task Each_account_sees_what_its_rights_allow(string account, string repositories, string held, int policy)
    {
        using var person = new Person(_rig.Url);
        await person.LogInAsync(account, Password);

        // Pullers see nothing of a repository that has only held content.
        var expected = account == "puller" ? "team/app" : repositories;
        Assert.Equal(expected.Split(' '), Names(await person.ReadAsync("/repositories")));
        Assert.Equal(held, string.Join(' ', Holds(await person.ReadAsync("/holds"))));
        foreach (var path in (string[])["/policy", "/activity", "/upkeep"])
        {
            using var answer = await person.GetAsync(path);
            Assert.Equal((path, policy), (path, (int)answer.StatusCode));
        }
        using var secret = await person.GetAsync("/tags?repository=secret/app");
        Assert.Equal(account == "chief" ? 200 : 404, (int)secret.StatusCode);
    }

    [Fact]
    public async Task Action_needs_the_right_and_the_token_of_the_session()
    {
        using var puller = new Person(_rig.Url);
        using var pusher = new Person(_rig.Url);
        using var chief = new Person(_rig.Url);
        await puller.LogInAsync("puller", Password);
        await pusher.LogInAsync("pusher", Password);
        await chief.LogInAsync("chief", Password);
        var hold = await HoldAsync(chief);

        Assert.Equal(409, await pusher.PostAsync("/holds/release", hold));
        Assert.Equal(409, await puller.PostAsync("/holds/drop", hold));
        var seen = Digests().Match(await chief.ReadAsync("/tags?repository=team/app")).Value;
        var delete = new Dictionary<string, string> { ["repository"] = "team/app", ["tag"] = $"v1@{seen}", ["sure"] = "yes" };
        Assert.Equal(404, await pusher.PostAsync("/delete", delete));
        Assert.Equal(403, await chief.PostAsync("/holds/release", hold, csrf: await pusher.CsrfAsync()));

        Assert.Equal(200, await chief.PostAsync("/holds/release", hold));
        Assert.Contains("held/app", Names(await puller.ReadAsync("/repositories")));
        Assert.Equal(200, await chief.PostAsync("/delete", delete));
        Assert.DoesNotContain("reference=v1", await puller.ReadAsync("/tags?repository=team/app"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_ends_with_the_logout_the_password_and_the_account()
    {
        using var person = new Person(_rig.Url);
        await person.LogInAsync("puller", Password);
        Assert.Equal(303, await person.PostAsync("/logout", []));
        using (var after = await person.GetAsync("/repositories")) Assert.Equal(401, (int)after.StatusCode);

        await person.LogInAsync("puller", Password);
        await WriteAccountsAsync("pusher", "chief");
        // The file is read again when it is some time old.
        using var late = Patience.Limit(30);
        while (true)
        {
            using var answer = await person.GetAsync("/repositories");
            if ((int)answer.StatusCode == 401) break;
            await Task.Delay(50, late.Token);
        }
    }

    [Theory]
    [InlineData("Origin", "https://evil.example")]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    public async Task Pages_of_other_sites_are_refused(string name, string value)
    {
        using var person = new Person(_rig.Url);
        await person.LogInAsync("chief", Password);

        using var answer = await person.SendAsync("POST", "/delete", [], (name, value));

        Assert.Equal(403, (int)answer.StatusCode);
    }

    [Theory]
    [InlineData("/-/console%2frepositories")]
    [InlineData("/-/consoles")]
    [InlineData("/-/Console/")]
    public async Task Path_in_another_form_is_none_of_the_console(string path)
    {
        using var answer = await _rig.SendAsync("GET", path);

        Assert.DoesNotContain("<html", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Console_is_off_unless_it_is_configured()
    {
        await _rig.UseAsync(options => options with { Console = new() });

        using var answer = await _rig.SendAsync("GET", "/-/console/");

        Assert.DoesNotContain("<html", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(401, (int)answer.StatusCode);
    }

    private static IEnumerable<string> Names(string page) =>
        Tags().Matches(page).Select(m => Uri.UnescapeDataString(m.Groups[1].Value)).Distinct();

    private static IEnumerable<string> Holds(string page) =>
        HoldLinks().Matches(page).Select(m => Uri.UnescapeDataString(m.Groups[1].Value)).Distinct();

    [GeneratedRegex(@"/-/console/tags\?repository=([^""&]+)""")]
    private static partial Regex Tags();

    [GeneratedRegex("sha256:[0-9a-f]{64}")]
    private static partial Regex Digests();

    [GeneratedRegex(@"/-/console/hold\?repository=([^""&]+)&")]
    private static partial Regex HoldLinks();

    /// <summary>A browser of one person, as far as cookies and forms go.</summary>
    private sealed partial class Person(Uri url, string place = "/-/console") : IDisposable
    {
        private readonly HttpClient _client = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });

        public Dictionary<string, string> Cookies { get; } = [];

        public List<string> SetCookies { get; } = [];

        public Task<HttpResponseMessage> GetAsync(string path) => SendAsync("GET", path, null);

        public async Task<string> ReadAsync(string path)
        {
            using var answer = await GetAsync(path);
            return await answer.Content.ReadAsStringAsync();
        }

        public async Task<string> CsrfAsync() => Csrf().Match(await ReadAsync("/repositories")).Groups[1].Value;

        public async Task<int> LogInAsync(string account, string password) => await PostAsync(
            "/login", new() { ["account"] = account, ["password"] = password }, Csrf().Match(await ReadAsync("/login")).Groups[1].Value);

        public async Task<int> PostAsync(string path, Dictionary<string, string> fields, string? csrf = null)
        {
            var form = new Dictionary<string, string>(fields) { ["csrf"] = csrf ?? await CsrfAsync() };
            using var answer = await SendAsync("POST", path, form);
            return (int)answer.StatusCode;
        }

        /// <summary>The answer as soon as it has begun.</summary>
        public Task<HttpResponseMessage> FollowAsync(string path)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, new Uri(url, place + path));
            request.Headers.Add("Cookie", string.Join("; ", Cookies.Select(c => $"{c.Key}={c.Value}")));
            return _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        }

        public async Task<HttpResponseMessage> SendAsync(
            string method, string path, Dictionary<string, string>? form, params (string Name, string Value)[] headers)
        {
            using var request = new HttpRequestMessage(new(method), new Uri(url, place + path));
            request.Headers.Add("Accept", "text/html");
            if (form is not null) request.Content = new FormUrlEncodedContent(form);
            foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
            if (Cookies.Count > 0) request.Headers.Add("Cookie", string.Join("; ", Cookies.Select(c => $"{c.Key}={c.Value}")));
            var answer = await _client.SendAsync(request);
            foreach (var set in answer.Headers.TryGetValues("Set-Cookie", out var cookies) ? cookies : [])
            {
                SetCookies.Add(set);
                // The whole date: an id has digits too.
                var isExpired = set.Contains("expires=Thu, 01 Jan 1970", StringComparison.OrdinalIgnoreCase);
                var pair = set.Split(';')[0].Split('=', 2);
                if (isExpired) Cookies.Remove(pair[0]);
                else Cookies[pair[0]] = pair[1];
            }
            return answer;
        }

        public void Dispose() => _client.Dispose();

        [GeneratedRegex(@"name=""csrf"" value=""(\w+)""")]
        private static partial Regex Csrf();
    }
}
