using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>A line of an htpasswd file, <c>name:hash</c>.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Account">Empty if the line has none.</param>
/// <param name="Hash">Its bcrypt hash; empty if <paramref name="Problem"/> is not null.</param>
/// <param name="Problem">Why the line is not an account; null if it is one. Never contains any part of the hash.</param>
internal sealed record HtpasswdLine(int Number, string Account, string Hash, string? Problem)
{
    /// <summary>The file's lines, except empty ones and comments. Throws <see cref="IOException"/> if it cannot be read.</summary>
    public static IReadOnlyList<HtpasswdLine> Read(string path)
    {
        var lines = new List<HtpasswdLine>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var number = 0;
        foreach (var line in BoundedFile.ReadText(path).Split('\n'))
        {
            number++;
            var text = line.TrimEnd('\r', ' ');
            if (text.Length == 0 || text.StartsWith('#')) continue;
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            var (account, hash) = colon > 0 ? (text[..colon], text[(colon + 1)..]) : ("", "");
            var problem = ProblemOf(account, hash) ?? (names.Add(account) ? null : "an earlier line has this name; remove one");
            lines.Add(new(number, account, problem is null ? hash : "", problem));
        }
        return lines;
    }

    private static string? ProblemOf(string account, string hash)
    {
        if (account.Length == 0 || Bcrypt.CostOf(hash) is null)
        {
            return $"expected name:$2y$... (bcrypt, cost {Bcrypt.LeastCost} to {Bcrypt.MostCost}), got {KindOf(account, hash)}; "
                + "replace the line with one of gateway hash-password or htpasswd -B";
        }
        // In rules, @ names a group; an account with such a name would have the group's rights.
        return account is Caller.Anonymous or Caller.Everybody or ['@', ..] ? "this name is reserved; use another" : null;
    }

    // The formats of Apache's htpasswd and of crypt(5).
    private static string KindOf(string account, string hash) => hash switch
    {
        _ when account.Length == 0 => "no name before a colon",
        "" => "no hash",
        _ when hash.StartsWith("$apr1$", StringComparison.Ordinal) || hash.StartsWith("$1$", StringComparison.Ordinal) => "MD5",
        _ when hash.StartsWith("{SHA}", StringComparison.Ordinal) => "SHA-1",
        _ when hash.StartsWith("$5$", StringComparison.Ordinal) => "SHA-256",
        _ when hash.StartsWith("$6$", StringComparison.Ordinal) => "SHA-512",
        _ when hash.StartsWith("$2", StringComparison.Ordinal) => "bcrypt with another format or cost",
        _ => "another hash, or a password in plain text",
    };
}
