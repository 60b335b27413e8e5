using System.Buffers;
using System.Globalization;

namespace Gateway.Access;

/// <summary>
/// Makes and checks bcrypt hashes with BCrypt.Net-Next, which reads <c>$2a$</c>, <c>$2b$</c> and <c>$2y$</c>. A check takes some 50 ms of
/// processor time at cost 10, so keep it off request threads.
/// </summary>
internal static class Bcrypt
{
    /// <summary>bcrypt ignores the bytes of a password after these (crypt(5), "bcrypt").</summary>
    public const int MostBytes = 72;

    /// <summary>
    /// The bounds of htpasswd are 4 and 17. Below 5, a hash is no protection; above 16 (some 3 s), one login is a denial of service.
    /// </summary>
    public const int LeastCost = 5;

    /// <summary>The largest cost; see <see cref="LeastCost"/>.</summary>
    public const int MostCost = 16;

    /// <summary>OWASP's "Password Storage" recommends at least 10.</summary>
    public const int DefaultCost = 10;

    /// <summary>Characters of a hash: <c>$2y$10$</c>, 22 of salt and 31 of hash (crypt(5), "bcrypt").</summary>
    private const int HashLength = 60;

    private const int PrefixLength = 7;

    private static readonly SearchValues<char> Alphabet =
        SearchValues.Create("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

    /// <summary>The <c>$2y$</c> hash of a password with a new random salt.</summary>
    /// <exception cref="ArgumentException">The password has a zero character; some readers of the hash would stop there.</exception>
    public static string Hash(string password, int cost) =>
        password.Contains('\0')
            ? throw new ArgumentException("expected a password without a zero character", nameof(password))
            : BCrypt.Net.BCrypt.HashPassword(password, BCrypt.Net.BCrypt.GenerateSalt(cost, 'y'));

    /// <summary>Whether the hash was made from this password. The time does not depend on where they differ.</summary>
    public static bool Verify(string password, string hash) =>
        !password.Contains('\0') && CostOf(hash) is not null && BCrypt.Net.BCrypt.Verify(password, hash);

    /// <summary>The cost of a bcrypt hash within the bounds; null for anything else.</summary>
    public static int? CostOf(string hash)
    {
        if (hash.Length != HashLength || hash is not ['$', '2', 'a' or 'b' or 'y', '$', _, _, '$', ..]) return null;
        if (hash.AsSpan(PrefixLength).ContainsAnyExcept(Alphabet)) return null;
        return int.TryParse(hash.AsSpan(4, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var cost)
            && cost is >= LeastCost and <= MostCost ? cost : null;
    }
}
