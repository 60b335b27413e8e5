using System.Text;

namespace Gateway.Access;

/// <summary>Name and password as clients send them (RFC 7617).</summary>
internal sealed record BasicCredentials(string Account, string Password)
{
    /// <summary>Longest that is decoded, in characters of base 64; no password that bcrypt reads needs more.</summary>
    private const int MaxLength = 2048;

    /// <summary>Reads what follows <c>Basic</c>; null when it is not base 64 of UTF-8 with a colon.</summary>
    public static BasicCredentials? Parse(string encoded)
    {
        Span<byte> bytes = stackalloc byte[MaxLength];
        if (encoded.Length > MaxLength || !Convert.TryFromBase64String(encoded, bytes, out var length)) return null;
        var text = Encoding.UTF8.GetString(bytes[..length]);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : new(text[..colon], text[(colon + 1)..]);
    }

    /// <summary>Says who, never the secret.</summary>
    public override string ToString() => $"credentials of {Account}";
}
