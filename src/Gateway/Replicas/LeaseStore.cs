namespace Gateway.Replicas;

/// <summary>
/// The leases in Redis. Each call is one script, and therefore one step that no other replica divides. The last word of each value is a
/// signature by the secret of the set, so that writing to Redis alone sends no replica to another address.
/// </summary>
internal sealed class LeaseStore(RedisLink redis, ReplicaSelf self, PeerSecret secret)
{
    /// <summary>How long a lease lasts without renewal. Chosen: three renewals, and a dead leader is usually noticed earlier.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);

    /// <summary>How often a leader renews its lease.</summary>
    public static readonly TimeSpan Renewal = TimeSpan.FromSeconds(3);

    // Chosen: the time in which all nodes of a rollout ask for the same image; afterwards a replica asks the others itself.
    private static readonly TimeSpan NoteLifetime = TimeSpan.FromMinutes(10);

    /// <summary>KEYS: lease, fence. ARGV: "id url signature", lifetime in ms, the value to replace. Returns what is there then.</summary>
    internal const string Take = """
        local v = redis.call('GET', KEYS[1])
        if v and v ~= ARGV[3] then return v end
        v = redis.call('INCR', KEYS[2]) .. ' ' .. ARGV[1]
        redis.call('SET', KEYS[1], v, 'PX', ARGV[2])
        return v
        """;

    /// <summary>KEYS: lease. ARGV: own value, lifetime in ms. Never sets: returns what is there, nil for nothing.</summary>
    internal const string Renew = """
        local v = redis.call('GET', KEYS[1])
        if v == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
        return v
        """;

    /// <summary>KEYS: lease. ARGV: own value, the note, its lifetime in ms. Only its own lease, or nothing, becomes the note.</summary>
    internal const string Settle = """
        local v = redis.call('GET', KEYS[1])
        if not v or v == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        return v
        """;

    /// <summary>KEYS: lease. ARGV: own value.</summary>
    internal const string Release = """
        if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
        return nil
        """;

    /// <summary>
    /// Takes the lease, or says who has it. Null if Redis is silent. The result is this replica's own if its <see cref="LeaseValue.Id"/>
    /// is that of <see cref="ReplicaSelf"/>.
    /// </summary>
    /// <param name="instead">A lease or note whose replica did not serve, to be replaced; null for none.</param>
    public async Task<LeaseValue?> TakeAsync(Digest digest, LeaseValue? instead)
    {
        var (replaced, mine) = (instead is null ? "" : TextOf(digest, instead), new LeaseValue(0, self.Id, self.Url));
        for (var tries = 0; tries < 3; tries++)
        {
            var reply = await redis.RunAsync(
                Take, [KeyOf(digest), redis.Key("fence")],
                [$"{mine.Unfenced} {Sign(digest, mine)}", Milliseconds(Lifetime), replaced]);
            if (!reply.Answered || reply.Text is not { } text) return null;
            // A value of this replica's last process, or a note that it had the content: neither is true any more. One that no replica
            // signed is replaced too.
            if (Read(digest, text) is { } found && (found.Url != self.Url || (found.Id == self.Id && !found.IsNote))) return found;
            replaced = text;
        }
        return null;
    }

    /// <summary>Extends the lease if it is still this one. Returns what Redis has.</summary>
    public async Task<(bool Answered, LeaseValue? Current)> RenewAsync(Digest digest, LeaseValue mine)
    {
        var reply = await redis.RunAsync(Renew, [KeyOf(digest)], [TextOf(digest, mine), Milliseconds(Lifetime)]);
        return (reply.Answered, Read(digest, reply.Text));
    }

    /// <summary>The lease becomes the note that a replica has the content. Without a lease, the note is written if there is none.</summary>
    public Task SettleAsync(Digest digest, LeaseValue? mine, LeaseValue note) =>
        redis.RunAsync(
            Settle, [KeyOf(digest)],
            [mine is null ? "" : TextOf(digest, mine), TextOf(digest, note), Milliseconds(NoteLifetime)]);

    /// <summary>Ends the lease if it is still this one.</summary>
    public Task ReleaseAsync(Digest digest, LeaseValue mine) => redis.RunAsync(Release, [KeyOf(digest)], [TextOf(digest, mine)]);

    private string TextOf(Digest digest, LeaseValue value) => $"{value} {Sign(digest, value)}";

    /// <summary>
    /// Reads a value; null for one that no replica signed, or whose address has another scheme than this replica's own.
    /// </summary>
    internal LeaseValue? Read(Digest digest, string? text) =>
        text?.LastIndexOf(' ') is { } at and > 0 && LeaseValue.Parse(text[..at]) is { } value && self.IsOfSameScheme(value.Url)
        && secret.IsSigned("lease", Signed(digest, value), text[(at + 1)..])
            ? value
            : null;

    private string Sign(Digest digest, LeaseValue value) => secret.Sign("lease", Signed(digest, value));

    // Redis makes the fence, which only tells leases apart, so it is not signed.
    private static string Signed(Digest digest, LeaseValue value) => $"{digest} {value.Unfenced}";

    private string KeyOf(Digest digest) => redis.Key($"fetch:{digest}");

    private static string Milliseconds(TimeSpan time) => $"{(long)time.TotalMilliseconds}";
}
