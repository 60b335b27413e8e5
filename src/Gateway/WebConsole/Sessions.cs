using System.Collections.Concurrent;
using System.Security.Cryptography;
using Gateway.Access;

namespace Gateway.WebConsole;

/// <summary>A person who has logged in.</summary>
/// <param name="Id">The value of the cookie: 256 random bits.</param>
/// <param name="Account">The name that the pages show.</param>
/// <param name="Csrf">The token of its forms.</param>
internal sealed record Session(string Id, string Account, string Csrf, DateTimeOffset Opened)
{
    /// <summary>The identity; null on the operator port.</summary>
    public Identity? Identity { get; init; }

    /// <summary>What proves the identity still: the password's hash, or the operator's token. The session ends when it changes.</summary>
    public string? Proof { get; init; }

    /// <summary>When it ends, whatever is done.</summary>
    public required DateTimeOffset Ends { get; init; }

    /// <summary>When it was last used.</summary>
    public DateTimeOffset Used { get; set; } = Opened;
}

/// <summary>The sessions of the console, in memory: a restart ends them all.</summary>
internal sealed class Sessions(TimeProvider clock)
{
    // Some hundred bytes each. Chosen: more than the people of a large company who look at it in a day.
    private const int Most = 1000;

    // Browsers and machines of one person.
    private const int MostOfAccount = 16;

    /// <summary>The longest session of an account with a password; a working day.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(12);

    /// <summary>The longest session after an identity token, which is valid for about as long itself.</summary>
    public static readonly TimeSpan LongestOfToken = TimeSpan.FromHours(1);

    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(30);

    private readonly ConcurrentDictionary<string, Session> _sessions = new(StringComparer.Ordinal);

    /// <summary>The session with this id; null when there is none, or it has ended.</summary>
    /// <param name="touch">Whether the person uses it; false for what the page does by itself, which does not extend it.</param>
    public Session? Find(string? id, bool touch = true)
    {
        if (id is null || !_sessions.TryGetValue(id, out var session)) return null;
        var now = clock.GetUtcNow();
        if (now >= session.Ends || now - session.Used >= Idle)
        {
            End(id);
            return null;
        }
        if (touch) session.Used = now;
        return session;
    }

    /// <summary>
    /// Opens a session. Where there are too many on the operator port, or on the listeners, those there that were used least recently end.
    /// </summary>
    public Session Open(string account, Identity? identity, string? proof, TimeSpan longest)
    {
        var now = clock.GetUtcNow();
        var session = new Session(Secret(), account, Secret(), now) { Identity = identity, Proof = proof, Ends = now + longest };
        Trim(_sessions.Values.Where(each => each.Account == account), MostOfAccount - 1);
        Trim(_sessions.Values.Where(each => each.Identity is null == identity is null), Most - 1);
        _sessions[session.Id] = session;
        return session;
    }

    public void End(string id) => _sessions.TryRemove(id, out _);

    /// <summary>A new secret: 256 random bits.</summary>
    public static string Secret() => RandomNumberGenerator.GetHexString(64, lowercase: true);

    private void Trim(IEnumerable<Session> among, int most)
    {
        var all = among.OrderByDescending(static session => session.Used).ToArray();
        foreach (var session in all.Skip(most)) End(session.Id);
    }
}
