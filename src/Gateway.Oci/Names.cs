namespace Gateway.Oci;

/// <summary>
/// A repository name by the grammar of the distribution-spec ("Pulling manifests"): path components of lower-case letters and digits, with
/// separators between them.
/// </summary>
public readonly record struct RepositoryName : IComparable<RepositoryName>
{
    /// <summary>
    /// Longest name: many clients limit host and name together to 255 characters (distribution-spec, "Pulling manifests").
    /// </summary>
    public const int MaxLength = 255;

    private RepositoryName(string value) => Value = value;

    /// <summary>The name; <c>/</c> separates its components.</summary>
    public string Value { get; }

    /// <summary>
    /// Reads a name: <c>[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*</c>, 1 to 255 characters. It normalizes
    /// nothing.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out RepositoryName name)
    {
        name = default;
        if (text.IsEmpty || text.Length > MaxLength) return false;
        foreach (var range in text.Split('/'))
        {
            if (!IsComponent(text[range])) return false;
        }
        name = new RepositoryName(text.ToString());
        return true;
    }

    /// <summary>Reads text that must be a name. Throws <see cref="FormatException"/> otherwise.</summary>
    public static RepositoryName Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var name) ? name : throw new FormatException($"'{text.ToString()}' is not a repository name");

    private static bool IsComponent(ReadOnlySpan<char> text)
    {
        var i = 0;
        while (true)
        {
            var start = i;
            while (i < text.Length && (char.IsAsciiLetterLower(text[i]) || char.IsAsciiDigit(text[i]))) i++;
            if (i == start) return false;
            if (i == text.Length) return true;
            var separator = text[i];
            if (separator == '-') { while (i < text.Length && text[i] == '-') i++; }
            else if (separator == '_') { i += i + 1 < text.Length && text[i + 1] == '_' ? 2 : 1; }
            else if (separator == '.') { i++; }
            else return false;
        }
    }

    /// <summary>Order by bytes, which pages of lists use.</summary>
    public int CompareTo(RepositoryName other) => string.CompareOrdinal(Value, other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value ?? "";
}

/// <summary>A tag by the grammar of the distribution-spec: <c>[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}</c>.</summary>
public readonly record struct TagName
{
    /// <summary>Longest tag (distribution-spec, "Pulling manifests").</summary>
    public const int MaxLength = 128;

    private TagName(string value) => Value = value;

    /// <summary>The tag.</summary>
    public string Value { get; }

    /// <summary>Reads a tag. It normalizes nothing.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TagName tag)
    {
        tag = default;
        if (text.IsEmpty || text.Length > MaxLength || text[0] is '.' or '-' || text.ContainsAnyExcept(Allowed)) return false;
        tag = new TagName(text.ToString());
        return true;
    }

    /// <summary>Reads text that must be a tag. Throws <see cref="FormatException"/> otherwise.</summary>
    public static TagName Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var tag) ? tag : throw new FormatException($"'{text.ToString()}' is not a tag");

    private static readonly System.Buffers.SearchValues<char> Allowed =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    /// <inheritdoc/>
    public override string ToString() => Value ?? "";
}

/// <summary>A tag or a digest: how a client names a manifest.</summary>
public readonly record struct Reference
{
    /// <summary>A reference by tag.</summary>
    public Reference(TagName tag) => Tag = tag;

    /// <summary>A reference by digest.</summary>
    public Reference(Digest digest) => Digest = digest;

    /// <summary>The tag; undefined when <see cref="IsDigest"/>.</summary>
    public TagName Tag { get; }

    /// <summary>The digest; empty when the reference is a tag.</summary>
    public Digest Digest { get; }

    /// <summary>Whether the reference is a digest.</summary>
    public bool IsDigest => !Digest.IsEmpty;

    /// <inheritdoc/>
    public override string ToString() => IsDigest ? Digest.ToString() : Tag.ToString();
}
