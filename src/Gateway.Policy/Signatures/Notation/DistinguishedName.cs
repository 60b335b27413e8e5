using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// A subject as the Notary Project compares it: attributes by their short names, each once, with at least country, state and organization.
/// </summary>
/// <param name="Attributes">Values by names in capitals (<c>C</c>, <c>ST</c>, <c>O</c>, …); values are never empty.</param>
public sealed record DistinguishedName(ImmutableSortedDictionary<string, string> Attributes)
{
    // The names that Go's crypto/x509/pkix writes, which the notation tool compares by; RFC 4519 has the OIDs.
    private static readonly (string Oid, string Name)[] Known =
    [
        ("2.5.4.3", "CN"), ("2.5.4.5", "SERIALNUMBER"), ("2.5.4.6", "C"), ("2.5.4.7", "L"), ("2.5.4.8", "ST"), ("2.5.4.9", "STREET"),
        ("2.5.4.10", "O"), ("2.5.4.11", "OU"), ("2.5.4.17", "POSTALCODE"),
    ];

    private static readonly string[] Mandatory = ["C", "ST", "O"];

    /// <summary>Whether the other name has all attributes of this one; values are compared exactly.</summary>
    public bool IsPartOf(DistinguishedName other) =>
        Attributes.All(one => string.Equals(other.Attributes.GetValueOrDefault(one.Key), one.Value, StringComparison.Ordinal));

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", Attributes.Select(static one => $"{one.Key}={one.Value}"));

    /// <summary>Reads a name as RFC 4514 writes it, such as <c>C=US, ST=WA, O=acme</c>. Exactly one of the two results is null.</summary>
    public static (DistinguishedName? Name, string? Problem) Parse(string text)
    {
        var attributes = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        for (var at = 0; at <= text.Length;)
        {
            var equals = text.IndexOf('=', at);
            if (equals < 0) return (null, $"expected NAME=value, got {Printable.Quote(text.AsSpan(at))}");
            var name = text[at..equals].Trim().ToUpperInvariant();
            if (Value(text, equals + 1) is not var (value, end))
                return (null, $"expected a value of RFC 4514 after {Printable.Quote(name)}=");
            if (end < text.Length && text[end] == '+') return (null, "expected attributes apart, got several joined by +");
            if (Add(attributes, name == "S" ? "ST" : name, value) is { } problem) return (null, problem);
            at = end + 1;
        }
        return Whole(attributes);
    }

    /// <summary>Reads a certificate's subject. Exactly one of the two results is null.</summary>
    internal static (DistinguishedName? Name, string? Problem) Of(X509Certificate2 certificate)
    {
        var attributes = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var part in certificate.SubjectName.EnumerateRelativeDistinguishedNames())
        {
            if (part.HasMultipleElements || part.GetSingleElementValue() is not { } value)
                return (null, "expected single attributes of text in the subject, got something else");
            var name = Known.FirstOrDefault(known => known.Oid == part.GetSingleElementType().Value).Name;
            if (Add(attributes, name ?? part.GetSingleElementType().Value ?? "", value) is { } problem) return (null, problem);
        }
        return Whole(attributes);
    }

    private static string? Add(ImmutableSortedDictionary<string, string>.Builder attributes, string name, string value)
    {
        if (!Known.Any(known => known.Name == name))
            return $"expected attributes out of {string.Join(", ", Known.Select(static known => known.Name))}, got {Printable.Quote(name)}";
        if (value.Length == 0) return $"expected a value for {name}, got none";
        return attributes.TryAdd(name, value) ? null : $"expected {name} once, got it twice";
    }

    private static (DistinguishedName?, string?) Whole(ImmutableSortedDictionary<string, string>.Builder attributes) =>
        Mandatory.FirstOrDefault(name => !attributes.ContainsKey(name)) is { } missing
            ? (null, $"expected C, ST and O at least, got no {missing}")
            : (new(attributes.ToImmutable()), null);

    // A value and its end: a comma, a semicolon, a plus, or the end of the text. Surrounding blanks are not part of it unless escaped.
    private static (string Value, int End)? Value(string text, int start)
    {
        var value = new StringBuilder();
        var (kept, at) = (0, start);
        while (at < text.Length && text[at] == ' ') at++;
        if (at < text.Length && text[at] is '#' or '"') return null; // bytes in hex, and RFC 1779's quotes
        for (; at < text.Length && text[at] is not (',' or ';' or '+'); at++)
        {
            if (text[at] is '\0' or '<' or '>' or '"') return null;
            var isEscaped = text[at] == '\\';
            if (isEscaped && !Unescape(text, ref at, value)) return null;
            if (!isEscaped) value.Append(text[at]);
            if (isEscaped || text[at] != ' ') kept = value.Length;
        }
        return (value.ToString(0, kept), at);
    }

    // RFC 4514 §2.4: an escaped special character, or bytes of UTF-8 in hex. Stops at the last character.
    private static bool Unescape(string text, ref int at, StringBuilder value)
    {
        var bytes = new List<byte>();
        while (at + 2 < text.Length && text[at] == '\\' && char.IsAsciiHexDigit(text[at + 1]) && char.IsAsciiHexDigit(text[at + 2]))
        {
            bytes.Add(Convert.ToByte(text.Substring(at + 1, 2), 16));
            at += 3;
        }
        if (bytes.Count == 0)
        {
            at++;
            if (at >= text.Length || !" \"#+,;<=>\\".Contains(text[at], StringComparison.Ordinal)) return false;
            value.Append(text[at]);
            return true;
        }
        at--;
        if (!System.Text.Unicode.Utf8.IsValid(bytes.ToArray())) return false;
        value.Append(Encoding.UTF8.GetString([.. bytes]));
        return true;
    }
}
