using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Access;

/// <summary>
/// bcrypt by the system's libcrypt (libxcrypt, libcrypt.so.1), which reads <c>$2a$</c>, <c>$2b$</c> and <c>$2y$</c>. Slow by design: keep
/// it off request threads.
/// </summary>
internal static partial class Bcrypt
{
    /// <summary>bcrypt reads no more of a password (crypt(5), "bcrypt").</summary>
    public const int MostBytes = 72;

    /// <summary>
    /// htpasswd's own bounds are 4 and 17; below 5 a hash is no protection, above 16 (some 5 s) one login is a denial of service.
    /// </summary>
    public const int LeastCost = 5;

    public const int MostCost = 16;

    /// <summary>OWASP's "Password Storage" asks for 10 at least.</summary>
    public const int DefaultCost = 10;

    private const int SaltBytes = 16;

    /// <summary>CRYPT_GENSALT_OUTPUT_SIZE of crypt.h.</summary>
    private const int SettingBytes = 192;

    /// <summary>sizeof(struct crypt_data) of crypt.h.</summary>
    private const int DataBytes = 32768;

    /// <summary>The <c>$2y$</c> hash of a password under a new salt.</summary>
    public static string Hash(string password, int cost)
    {
        Span<byte> salt = stackalloc byte[SaltBytes];
        RandomNumberGenerator.Fill(salt);
        Span<byte> setting = stackalloc byte[SettingBytes];
        if (MakeSetting("$2y$\0"u8, new CULong((uint)cost), salt, salt.Length, setting, setting.Length) == 0)
        {
            throw new PlatformNotSupportedException(
                "the system's libcrypt.so.1 makes no bcrypt hashes; install libxcrypt (Debian: libcrypt1)");
        }
        return Crypt(password, Text(setting))
            ?? throw new ArgumentException("a password is text without a zero character", nameof(password));
    }

    /// <summary>Whether the hash was made of this password; takes the same time wherever they differ.</summary>
    public static bool Verify(string password, string hash) =>
        Crypt(password, hash) is { } computed
        && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(computed), Encoding.ASCII.GetBytes(hash));

    /// <summary>The cost of a bcrypt hash within our bounds; null for anything else.</summary>
    public static int? CostOf(string hash)
    {
        if (hash.Length != 60 || hash is not ['$', '2', 'a' or 'b' or 'y', '$', _, _, '$', ..]) return null;
        return int.TryParse(hash.AsSpan(4, 2), NumberStyles.None, null, out var cost) && cost is >= LeastCost and <= MostCost ? cost : null;
    }

    /// <summary>
    /// Null when libcrypt refuses the setting, or the password holds a zero character, behind which it would not be read.
    /// </summary>
    private static string? Crypt(string password, string setting)
    {
        if (password.Contains('\0')) return null;
        var phrase = new byte[Encoding.UTF8.GetByteCount(password) + 1];
        var data = new byte[DataBytes];
        Encoding.UTF8.GetBytes(password, phrase);
        try
        {
            return Crypt(phrase, Encoding.ASCII.GetBytes(setting + '\0'), data, data.Length) == 0 ? null : Text(data);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(phrase);
            CryptographicOperations.ZeroMemory(data);
        }
    }

    /// <summary>The text up to the zero byte; libcrypt puts its answer at the start of what it was given.</summary>
    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.ASCII.GetString(bytes[..bytes.IndexOf((byte)0)]);

    [LibraryImport("libcrypt.so.1", EntryPoint = "crypt_rn")]
    private static partial nint Crypt(ReadOnlySpan<byte> phrase, ReadOnlySpan<byte> setting, Span<byte> data, int size);

    [LibraryImport("libcrypt.so.1", EntryPoint = "crypt_gensalt_rn")]
    private static partial nint MakeSetting(
        ReadOnlySpan<byte> prefix, CULong count, ReadOnlySpan<byte> random, int randomLength, Span<byte> output, int outputLength);
}
