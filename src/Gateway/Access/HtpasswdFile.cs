using System.Collections.Frozen;
using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>
/// Accounts of an htpasswd file: one <c>name:bcrypt hash</c> per line. Read again within a second of a change. A file that cannot be read,
/// or that has no account, changes nothing: secrets are swapped while the gateway runs, and a moment without the file must not lock out
/// every account.
/// </summary>
internal sealed class HtpasswdFile(string path, TimeProvider clock, ILogger logger)
{
    /// <summary>
    /// How often the file's times are checked. Nobody notices a removal that takes a second, but a stat per request costs time.
    /// </summary>
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(1);

    private readonly Lock _reading = new();
    private volatile Loaded? _loaded;

    public string Path => path;

    /// <summary>Why the current content of the file is not in force, in one line; null while it is.</summary>
    public string? Problem => Current().Problem;

    /// <summary>Whether accounts were read, now or earlier; until then no password can be called right or wrong.</summary>
    public bool IsKnown => Current().Hashes.Count > 0;

    /// <summary>The account's hash; null if there is no such account.</summary>
    public string? HashOf(string account) => Current().Hashes.GetValueOrDefault(account);

    /// <summary>
    /// A hash that no password matches, with the highest cost in the file. Passwords of unknown accounts are compared with it, so that the
    /// time reveals nothing.
    /// </summary>
    public string Decoy => Current().Decoy;

    private Loaded Current()
    {
        var loaded = _loaded;
        if (loaded is not null && clock.GetElapsedTime(loaded.LookedAt) < LookAgainAfter) return loaded;
        lock (_reading)
        {
            if (_loaded is { } other && other != loaded) return other;
            return _loaded = Look(loaded, clock.GetTimestamp());
        }
    }

    private Loaded Look(Loaded? before, long now)
    {
        try
        {
            // A link keeps its own times if its target is swapped, as Kubernetes does with secrets.
            var link = new FileInfo(path);
            var file = link.LinkTarget is null ? link : link.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? link;
            var state = file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
            // A file that could not be read is read again regardless of its times, because a change of permissions does not change them.
            if (before is { Problem: null } && before.State == state) return before with { LookedAt = now };
            var hashes = Read();
            if (hashes.Count > 0)
            {
                Log.AccountsRead(logger, path, hashes.Count);
                return new(now, state, hashes);
            }
            return Keep(before, now, $"expected an account in {path}, got none");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return Keep(before, now, problem.Message);
        }
    }

    private Loaded Keep(Loaded? before, long now, string problem)
    {
        var kept = before?.Hashes ?? FrozenDictionary<string, string>.Empty;
        if (before?.Problem != problem) Log.AccountsUnreadable(logger, path, problem, kept.Count);
        return new(now, default, kept) { Problem = problem };
    }

    private FrozenDictionary<string, string> Read()
    {
        var lines = HtpasswdLine.Read(path);
        foreach (var line in lines)
        {
            if (line.Problem is { } problem) Log.LineIgnored(logger, path, line.Number, problem);
        }
        var accounts = lines.Where(line => line.Problem is null);
        return accounts.ToFrozenDictionary(line => line.Account, line => line.Hash, StringComparer.Ordinal);
    }

    private sealed record Loaded(long LookedAt, (DateTime, long) State, FrozenDictionary<string, string> Hashes)
    {
        /// <summary>Why <see cref="Hashes"/> are not those of the file's last version; null if they are.</summary>
        public string? Problem { get; init; }

        /// <summary>53 dots are a salt and a digest in bcrypt's own base64.</summary>
        public string Decoy { get; } = $"$2y${DearestOf(Hashes.Values):00}${new string('.', 53)}";

        private static int DearestOf(IEnumerable<string> hashes) =>
            hashes.Select(hash => Bcrypt.CostOf(hash) ?? 0).DefaultIfEmpty(Bcrypt.DefaultCost).Max();
    }
}
