using System.Collections.Frozen;
using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>Accounts of an htpasswd file: one <c>name:bcrypt hash</c> a line. Taken up within a second of a change.</summary>
internal sealed class HtpasswdFile(string path, TimeProvider clock, ILogger logger)
{
    /// <summary>
    /// How long the file's times are not looked at again; a logout that takes a second is not noticed, a stat per request is.
    /// </summary>
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(1);

    private readonly Lock _reading = new();
    private volatile Loaded? _loaded;

    public string Path => path;

    /// <summary>The account's hash; null when there is no such account, or no file: nobody is known then.</summary>
    public string? HashOf(string account) => Current().Hashes.GetValueOrDefault(account);

    /// <summary>
    /// A hash that no password has, as dear as the dearest of the file: what an unknown account is compared with, so that time tells
    /// nothing.
    /// </summary>
    public string Decoy => Current().Decoy;

    private Loaded Current()
    {
        var loaded = _loaded;
        if (loaded is not null && clock.GetElapsedTime(loaded.LookedAt) < LookAgainAfter) return loaded;
        lock (_reading)
        {
            if (_loaded is { } other && other != loaded) return other;
            var now = clock.GetTimestamp();
            // A link keeps its own times when what it leads to is swapped, as Kubernetes does with secrets.
            var link = new FileInfo(path);
            var file = link.LinkTarget is null ? link : link.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? link;
            var state = file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
            return _loaded = loaded is not null && loaded.State == state ? loaded with { LookedAt = now } : new(now, state, Read());
        }
    }

    private FrozenDictionary<string, string> Read()
    {
        try
        {
            var accounts = new Dictionary<string, string>(StringComparer.Ordinal);
            var number = 0;
            foreach (var line in BoundedFile.ReadText(path).Split('\n'))
            {
                number++;
                var text = line.TrimEnd('\r', ' ');
                if (text.Length == 0 || text.StartsWith('#')) continue;
                var colon = text.IndexOf(':', StringComparison.Ordinal);
                if (colon <= 0 || Bcrypt.CostOf(text[(colon + 1)..]) is null)
                    Log.LineIgnored(logger, path, number, "expected name:$2y$… (bcrypt, cost 5 to 16)");
                // With @ rules name a group, whose rights an account of that name would have.
                else if (text[..colon] is Asker.Anonymous or Asker.Everybody or ['@', ..])
                    Log.LineIgnored(logger, path, number, "this name is reserved");
                else if (!accounts.TryAdd(text[..colon], text[(colon + 1)..]))
                    Log.LineIgnored(logger, path, number, "an earlier line has this name");
            }
            Log.AccountsRead(logger, path, accounts.Count);
            return accounts.ToFrozenDictionary(StringComparer.Ordinal);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Log.AccountsUnreadable(logger, path, problem.Message);
            return FrozenDictionary<string, string>.Empty;
        }
    }

    private sealed record Loaded(long LookedAt, (DateTime, long) State, FrozenDictionary<string, string> Hashes)
    {
        /// <summary>53 dots are a salt and a digest in bcrypt's own base 64.</summary>
        public string Decoy { get; } = $"$2y${DearestOf(Hashes.Values):00}${new string('.', 53)}";

        private static int DearestOf(IEnumerable<string> hashes) =>
            hashes.Select(hash => Bcrypt.CostOf(hash) ?? 0).DefaultIfEmpty(Bcrypt.DefaultCost).Max();
    }
}
