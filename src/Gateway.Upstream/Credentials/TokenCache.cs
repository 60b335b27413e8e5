namespace Gateway.Upstream;

/// <summary>
/// What a token is valid for. The credential is part of the key, so that a request never uses a token that another credential obtained.
/// </summary>
/// <param name="Realm">The address of the token server.</param>
/// <param name="Service">The challenge's <c>service</c>; empty if it has none.</param>
/// <param name="CredentialId">The <see cref="Credential.Id"/>; null for an anonymous token.</param>
internal sealed record TokenKey(string Realm, string Service, string Scope, string? CredentialId);

/// <summary>A bearer token. It exists only in memory.</summary>
/// <param name="Issued">When the gateway requested it.</param>
/// <param name="Until">When the gateway stops using it.</param>
internal sealed record Token(string Value, DateTimeOffset Issued, DateTimeOffset Until)
{
    // UTC ticks; 0 if no endpoint refused the token when it was new.
    private long _doubtedUntil;

    /// <summary>
    /// Records that an endpoint refused the token when it was new. Until the given time, a refusal concerns the request, so the gateway
    /// does not fetch another token.
    /// </summary>
    public void Doubt(DateTimeOffset until) => Volatile.Write(ref _doubtedUntil, until.UtcTicks);

    /// <summary>Whether the gateway must not fetch another token if an endpoint refuses this one now.</summary>
    public bool IsDoubted(DateTimeOffset now) => now.UtcTicks < Volatile.Read(ref _doubtedUntil);

    /// <summary>A fixed text, so that no secret can reach a log.</summary>
    public override string ToString() => "token";
}

/// <summary>
/// The tokens of one upstream. Each is fetched once for all requests, and renewed before it expires. Failures are not cached.
/// </summary>
internal sealed class TokenCache(TimeProvider clock)
{
    // Chosen: a token has about 3 KiB, so this is a few MiB per upstream.
    private const int MostTokens = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<TokenKey, Task<Token>> _tokens = [];

    /// <summary>
    /// The cached token, or the result of <paramref name="fetch"/>. Callers share one fetch; the cancellation of one caller does not stop
    /// it.
    /// </summary>
    public Task<Token> GetAsync(TokenKey key, Func<Task<Token>> fetch, CancellationToken cancellationToken)
    {
        Task<Token> task;
        lock (_lock)
        {
            if (!_tokens.TryGetValue(key, out var known) || IsOver(known))
            {
                MakeRoom();
                // On the thread pool, so that the fetch does not run under the lock.
                _tokens[key] = known = Task.Run(fetch, CancellationToken.None);
            }
            task = known;
        }
        return task.WaitAsync(cancellationToken);
    }

    /// <summary>The cached token; null if there is none or it has expired.</summary>
    public Token? Find(TokenKey key)
    {
        lock (_lock) return _tokens.TryGetValue(key, out var task) && task.IsCompletedSuccessfully && !IsOver(task) ? task.Result : null;
    }

    /// <summary>Removes a refused token, unless a newer one has replaced it.</summary>
    public void Drop(TokenKey key, Token token)
    {
        lock (_lock)
        {
            if (_tokens.TryGetValue(key, out var task) && task.IsCompletedSuccessfully && ReferenceEquals(task.Result, token))
                _tokens.Remove(key);
        }
    }

    private bool IsOver(Task<Token> task) => task.IsCompleted && (!task.IsCompletedSuccessfully || task.Result.Until <= clock.GetUtcNow());

    private void MakeRoom()
    {
        if (_tokens.Count < MostTokens) return;
        foreach (var (key, task) in _tokens.ToArray())
        {
            if (IsOver(task)) _tokens.Remove(key);
        }
        // All are valid: remove any of them, since it can be fetched again.
        while (_tokens.Count >= MostTokens) _tokens.Remove(_tokens.Keys.First());
    }
}
