namespace Gateway.Repositories;

/// <summary>A reference as people write it: <c>repository:tag</c>, <c>repository@digest</c>, or a repository alone.</summary>
/// <param name="What">The tag or digest; null when none is written.</param>
internal readonly record struct WrittenReference(RepositoryName Name, Reference? What)
{
    /// <summary>The tag that most tools use for a repository alone.</summary>
    public static readonly Reference Latest = new(TagName.Parse("latest"));

    /// <summary>Parses a reference; null for any other text, including one with both a tag and a digest.</summary>
    public static WrittenReference? Parse(string text)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var colon = text.LastIndexOf(':');
        var end = at >= 0 ? at : colon > text.LastIndexOf('/') ? colon : text.Length;
        if (!RepositoryName.TryParse(text.AsSpan(0, end), out var name)) return null;
        if (end == text.Length) return new(name, null);
        var rest = text.AsSpan(end + 1);
        if (at >= 0) return Digest.TryParse(rest, out var digest) ? new(name, new Reference(digest)) : null;
        return TagName.TryParse(rest, out var tag) ? new(name, new Reference(tag)) : null;
    }
}
