using System.Text;

namespace Gateway.Access;

/// <summary>Name and password as clients send them (RFC 7617).</summary>
internal sealed record BasicCredentials(string Account, string Password)
{
    /// <summary>
    /// Maximum length in base64 characters: an identity token as the password, a third longer because of base64.
    /// </summary>
    private const int MaxLength = ExternalIssuers.MaxLength * 4 / 3 + 1024;

    /// <summary>Reads the text after <c>Basic</c>; null if it is not base64 of UTF-8 with a colon.</summary>
    public static BasicCredentials? Parse(string encoded)
    {
        if (encoded.Length > MaxLength) return null;
        var bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, bytes, out var length)) return null;
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : new(text[..colon], text[(colon + 1)..]);
    }

    /// <summary>Names the account, never the secret.</summary>
    public override string ToString() => $"credentials of {Account}";
}
