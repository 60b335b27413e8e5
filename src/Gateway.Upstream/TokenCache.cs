namespace Gateway.Upstream;

/// <summary>What a token is good for. The credential is part of it: who may not must not get the token of who may.</summary>
internal sealed record TokenKey(string Realm, string Service, string Scope, string? CredentialId);

/// <summary>A bearer token, in memory only.</summary>
internal sealed record Token(string Value, DateTimeOffset Issued, DateTimeOffset Until)
{
    // UTC ticks; 0 for a token that was never refused when it was new.
    private long _doubtedUntil;

    /// <summary>
    /// Notes that it was refused when it was new: until that time a further refusal is about the request, and no reason for another token.
    /// </summary>
    public void Doubt(DateTimeOffset until) => Volatile.Write(ref _doubtedUntil, until.UtcTicks);

    /// <summary>Whether a refusal of this token now is no reason to fetch another one.</summary>
    public bool IsDoubted(DateTimeOffset now) => now.UtcTicks < Volatile.Read(ref _doubtedUntil);

    /// <summary>Says nothing.</summary>
    public override string ToString() => "token";
}

/// <summary>The tokens of one upstream: each fetched once for all who want it, and renewed before it ends. Failures are not kept.</summary>
internal sealed class TokenCache(TimeProvider clock)
{
    // A token has about 3 KiB; so this is some MiB for an upstream at most.
    private const int MostTokens = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<TokenKey, Task<Token>> _tokens = [];

    /// <summary>The token, from here or by <paramref name="fetch"/>, which serves everybody and so stops for nobody who leaves.</summary>
    public Task<Token> GetAsync(TokenKey key, Func<Task<Token>> fetch, CancellationToken cancellationToken)
    {
        Task<Token> task;
        lock (_lock)
        {
            if (!_tokens.TryGetValue(key, out var known) || IsOver(known))
            {
                MakeRoom();
                // On the pool, so that nothing of it runs under the lock.
                _tokens[key] = known = Task.Run(fetch, CancellationToken.None);
            }
            task = known;
        }
        return task.WaitAsync(cancellationToken);
    }

    /// <summary>The token if it is here and good.</summary>
    public Token? Find(TokenKey key)
    {
        lock (_lock) return _tokens.TryGetValue(key, out var task) && task.IsCompletedSuccessfully && !IsOver(task) ? task.Result : null;
    }

    /// <summary>Forgets a token that was refused, unless it has been replaced already.</summary>
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
        // All in use: any may be fetched again.
        while (_tokens.Count >= MostTokens) _tokens.Remove(_tokens.Keys.First());
    }
}
