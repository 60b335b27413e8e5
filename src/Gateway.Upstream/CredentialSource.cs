using System.Collections.Concurrent;

namespace Gateway.Upstream;

/// <summary>Where credentials for an upstream come from, each time they are needed, and which of them have been refused.</summary>
internal sealed class CredentialSource(
    RegistryOptions options, CredentialOptions configured, TimeSpan refusalLifetime, TimeProvider clock)
{
    // ECR's passwords live 12 h; half an hour is for the request that still has to use it.
    private static readonly TimeSpan HelperLifetime = TimeSpan.FromHours(11.5);

    /// <summary>
    /// A refused credential is remembered, or each pull becomes a failed login and locks the account (as in Harbor, issue 22569).
    /// </summary>
    public static readonly TimeSpan RefusalLifetime = TimeSpan.FromMinutes(15);

    /// <summary>For a client's own: he may log in again, and a right that he was given shall soon be seen.</summary>
    public static readonly TimeSpan ClientRefusalLifetime = TimeSpan.FromSeconds(10);

    // A password of several KiB is a file of another kind.
    private const int LongestPassword = 16 * 1024;

    // Chosen: a helper that cannot give a password now is not started again for each request.
    private static readonly TimeSpan HelperPause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _refused = new();
    private (Task<Credential> Answer, DateTimeOffset Asked)? _helped;

    public bool IsHelper => configured.Helper is not null;

    public bool IsAnonymous => configured.IsAnonymous;

    /// <summary>Whether what was shown last has been refused, and is not shown again just now.</summary>
    public bool IsRefused => _refused.Values.Any(until => until > clock.GetUtcNow());

    /// <summary>What to show now; null for nothing.</summary>
    /// <exception cref="UpstreamException">They cannot be had (Unavailable), or have been refused (Unauthorized).</exception>
    public async Task<Credential?> GetAsync(CancellationToken cancellationToken)
    {
        if (configured.IsAnonymous) return null;
        var credential = configured.Helper is { } helper
            ? await AskAsync(helper, cancellationToken)
            : new Credential(configured.Username ?? "", configured.Password ?? await ReadAsync(configured.PasswordFile, cancellationToken));
        var now = clock.GetUtcNow();
        return _refused.TryGetValue(credential.Id, out var until) && until > now ? throw Refused(credential, until - now) : credential;
    }

    /// <summary>Remembers a refusal until the secret changes or its time has passed, and says so.</summary>
    public UpstreamException Refuse(Credential credential)
    {
        var now = clock.GetUtcNow();
        foreach (var (id, until) in _refused)
        {
            if (until <= now) _refused.TryRemove(id, out _);
        }
        _refused[credential.Id] = now + refusalLifetime;
        Forget(credential);
        return Refused(credential, refusalLifetime);
    }

    /// <summary>Asks the helper anew next time, if it gave this one.</summary>
    public void Forget(Credential credential)
    {
        lock (_lock)
        {
            if (_helped is { Answer.IsCompletedSuccessfully: true } helped && helped.Answer.Result.Id == credential.Id) _helped = null;
        }
    }

    /// <summary>One run of the helper for all who wait; it stops for nobody who leaves.</summary>
    private Task<Credential> AskAsync(string helper, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var now = clock.GetUtcNow();
            if (_helped is not { } helped || now - helped.Asked >= (helped.Answer.IsFaulted ? HelperPause : HelperLifetime))
            {
                _helped = helped = (Task.Run(() => CredentialHelper.GetAsync(helper, ServerName), CancellationToken.None), now);
            }
            return helped.Answer.WaitAsync(cancellationToken);
        }
    }

    // What docker itself asks its helpers for: Hub goes by the address of its first API.
    private string ServerName => options.Key == "docker.io" ? "https://index.docker.io/v1/" : options.Urls[0].Authority;

    private async Task<string> ReadAsync(string? file, CancellationToken cancellationToken)
    {
        if (file is null) return "";
        try
        {
            await using var stream = File.OpenRead(file);
            var bytes = await BoundedBody.ReadAsync(stream, LongestPassword, cancellationToken) ?? [];
            return System.Text.Encoding.UTF8.GetString(bytes).TrimEnd('\r', '\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var what = $"upstream {options.Key}: its password file could not be read ({e.GetType().Name})";
            throw new UpstreamException(UpstreamFailure.Unavailable, what);
        }
    }

    private UpstreamException Refused(Credential credential, TimeSpan wait) => new(
        UpstreamFailure.Unauthorized,
        $"upstream {options.Key} refused the {credential}; tried again when they change, or in {Math.Ceiling(wait.TotalMinutes):0} min",
        wait,
        status: 401)
    {
        IsOfAccount = true,
    };
}
