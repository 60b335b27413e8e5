using System.Security.Cryptography;

namespace Gateway.Oci;

/// <summary>The digest algorithms that the gateway accepts: those that the image-spec registers (image-spec, "Digests").</summary>
public enum DigestAlgorithm
{
    /// <summary>SHA-256, 64 hex characters.</summary>
    Sha256,

    /// <summary>SHA-512, 128 hex characters.</summary>
    Sha512,
}

/// <summary>
/// An algorithm and its hex, parsed strictly: lower-case ASCII hex of exactly the algorithm's length, nothing before or after. Only this
/// type, <see cref="RepositoryName"/> and <see cref="TagName"/> can become a file name.
/// </summary>
public readonly struct Digest : IEquatable<Digest>, IComparable<Digest>
{
    // "sha256:".Length == "sha512:".Length
    private const int PrefixLength = 7;
    private readonly string? _text;

    private Digest(string text) => _text = text;

    /// <summary>The algorithm; <see cref="DigestAlgorithm.Sha256"/> for the default value, which is not a digest.</summary>
    public DigestAlgorithm Algorithm => _text is not null && _text[4] == '1' ? DigestAlgorithm.Sha512 : DigestAlgorithm.Sha256;

    /// <summary><c>sha256</c> or <c>sha512</c>.</summary>
    public string AlgorithmName => NameOf(Algorithm);

    /// <summary>The hex part, lower case.</summary>
    public ReadOnlySpan<char> Hex => _text.AsSpan(_text is null ? 0 : PrefixLength);

    /// <summary>True for the default value, which is not a digest.</summary>
    public bool IsEmpty => _text is null;

    /// <summary>The name of an algorithm in a digest.</summary>
    public static string NameOf(DigestAlgorithm algorithm) => algorithm == DigestAlgorithm.Sha512 ? "sha512" : "sha256";

    /// <summary>The name of an algorithm in the runtime, for <see cref="IncrementalHash"/>.</summary>
    public static HashAlgorithmName HashName(DigestAlgorithm algorithm) =>
        algorithm == DigestAlgorithm.Sha512 ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256;

    /// <summary>Reads <c>sha256:…</c> or <c>sha512:…</c>. Fails for any other text, also in another case or of another length.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Digest digest)
    {
        digest = default;
        var wanted = text.StartsWith("sha256:", StringComparison.Ordinal)
            ? 64
            : text.StartsWith("sha512:", StringComparison.Ordinal) ? 128 : -1;
        if (wanted < 0 || text.Length - PrefixLength != wanted || text[PrefixLength..].ContainsAnyExcept(Hexadecimal)) return false;
        digest = new Digest(text.ToString());
        return true;
    }

    /// <summary>Reads text that must be a digest. Throws <see cref="FormatException"/> otherwise.</summary>
    public static Digest Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var digest) ? digest : throw new FormatException($"'{text.ToString()}' is not a digest");

    /// <summary>Makes a digest of an algorithm and a hash that it computed.</summary>
    public static Digest FromHash(DigestAlgorithm algorithm, ReadOnlySpan<byte> hash) =>
        new($"{NameOf(algorithm)}:{Convert.ToHexStringLower(hash)}");

    /// <summary>The digest of these bytes.</summary>
    public static Digest Of(ReadOnlySpan<byte> content, DigestAlgorithm algorithm = DigestAlgorithm.Sha256)
    {
        ContentHash.Count(content.Length);
        return FromHash(algorithm, algorithm == DigestAlgorithm.Sha512 ? SHA512.HashData(content) : SHA256.HashData(content));
    }

    private static readonly System.Buffers.SearchValues<char> Hexadecimal = System.Buffers.SearchValues.Create("0123456789abcdef");

    /// <inheritdoc/>
    public bool Equals(Digest other) => string.Equals(_text, other._text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Digest other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _text is null ? 0 : string.GetHashCode(_text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public int CompareTo(Digest other) => string.CompareOrdinal(_text, other._text);

    /// <summary>The digest as the spec writes it, or the empty string for the default value.</summary>
    public override string ToString() => _text ?? "";

    /// <summary>Ordinal equality.</summary>
    public static bool operator ==(Digest left, Digest right) => left.Equals(right);

    /// <summary>Ordinal inequality.</summary>
    public static bool operator !=(Digest left, Digest right) => !left.Equals(right);
}
