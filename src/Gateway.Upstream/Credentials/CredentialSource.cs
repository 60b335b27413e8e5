using System.Collections.Concurrent;

namespace Gateway.Upstream;

/// <summary>Reads the credential of one account each time it is needed, and remembers which credentials the upstream refused.</summary>
internal sealed class CredentialSource(
    RegistryOptions options, CredentialOptions configured, TimeSpan refusalLifetime, TimeProvider clock)
{
    // ECR's passwords are valid for 12 h. Half an hour remains for the requests that use the password.
    private static readonly TimeSpan HelperLifetime = TimeSpan.FromHours(11.5);

    /// <summary>
    /// How long a refused credential is not used again. Otherwise each pull would be a failed login, and the upstream would lock the
    /// account (as in Harbor, issue 22569).
    /// </summary>
    public static readonly TimeSpan RefusalLifetime = TimeSpan.FromMinutes(15);

    /// <summary>
    /// How long a client's own refused credential is not used again: short, so that a new login or a new right soon takes effect.
    /// </summary>
    public static readonly TimeSpan ClientRefusalLifetime = TimeSpan.FromSeconds(10);

    // In bytes. Chosen: a larger file is not a password.
    private const int LongestPassword = 16 * 1024;

    // Chosen: the gateway does not start a failing helper again for each request.
    private static readonly TimeSpan HelperPause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _refused = new();
    private (Task<Credential> Answer, DateTimeOffset Asked)? _helped;

    /// <summary>Whether a credential helper returns the credential.</summary>
    public bool IsHelper => configured.Helper is not null;

    /// <summary>Whether the account has no credential.</summary>
    public bool IsAnonymous => configured.IsAnonymous;

    /// <summary>Whether the upstream refused a credential of this account, and the pause after that is not over.</summary>
    public bool IsRefused => _refused.Values.Any(until => until > clock.GetUtcNow());

    /// <summary>The current credential; null if the account is anonymous.</summary>
    /// <exception cref="UpstreamException">
    /// The credential cannot be read (Unavailable), or the upstream recently refused it (Unauthorized).
    /// </exception>
    public async Task<Credential?> GetAsync(CancellationToken cancellationToken)
    {
        if (configured.IsAnonymous) return null;
        var credential = configured.Helper is { } helper
            ? await AskAsync(helper, cancellationToken)
            : new Credential(configured.Username ?? "", configured.Password ?? await ReadAsync(configured.PasswordFile, cancellationToken));
        var now = clock.GetUtcNow();
        return _refused.TryGetValue(credential.Id, out var until) && until > now ? throw Refused(credential, until - now) : credential;
    }

    /// <summary>Records that the upstream refused a credential. Returns the exception to throw.</summary>
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

    /// <summary>Removes the helper's last answer if it was this credential, so that the next use runs the helper again.</summary>
    public void Forget(Credential credential)
    {
        lock (_lock)
        {
            if (_helped is { Answer.IsCompletedSuccessfully: true } helped && helped.Answer.Result.Id == credential.Id) _helped = null;
        }
    }

    /// <summary>
    /// The answer of one run of the helper, shared by all callers. The cancellation of one caller does not stop the run.
    /// </summary>
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

    // The server name that docker passes to helpers: for Docker Hub, the address of its first API.
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
            throw new UpstreamException(
                UpstreamFailure.Unavailable,
                $"upstream {options.Key}: its password file could not be read ({e.GetType().Name}); make the file readable");
        }
    }

    private UpstreamException Refused(Credential credential, TimeSpan wait) => new(
        UpstreamFailure.Unauthorized,
        $"upstream {options.Key} refused the {credential}; the gateway retries when they change, "
        + $"or in {Math.Ceiling(wait.TotalMinutes):0} min",
        wait,
        status: 401)
    {
        IsOfAccount = true,
    };
}
