namespace Gateway.Configuration;

/// <summary>Recognizes written values that must not be shown.</summary>
internal static class Secrets
{
    /// <summary>Whether a text is a private key, perhaps in place of a public one.</summary>
    public static bool IsPrivateKey(string text) => text.Contains("PRIVATE KEY", StringComparison.Ordinal);

    /// <summary>Whether a value may contain a secret although its type does not say so: a URL with a password or a query.</summary>
    public static bool MayBeIn(string text) => IsPrivateKey(text)
        || (text.Contains("://", StringComparison.Ordinal) && text.AsSpan().ContainsAny('@', '?'));
}
