namespace Gateway.Policy.Media;

/// <summary>What the name of a media type claims about the bytes.</summary>
public static class MediaClaims
{
    /// <summary>Whether it claims anything that can be checked.</summary>
    public static bool IsAny(string type) => PackingOf(type) != Packing.None || IsTar(type) || IsJson(type);

    /// <summary>How they are compressed: <c>…+gzip</c>, <c>….gzip</c>, <c>…+zstd</c>.</summary>
    internal static Packing PackingOf(string type) =>
        IsGzip(type) ? Packing.Gzip : type.EndsWith("+zstd", StringComparison.Ordinal) ? Packing.Zstd : Packing.None;

    /// <summary>
    /// Whether they are a tar archive, compressed or not: <c>application/tar+gzip</c>, <c>….v1.tar</c>, <c>….diff.tar.gzip</c>.
    /// </summary>
    internal static bool IsTar(string type)
    {
        var name = PackingOf(type) == Packing.None ? type : type[..^"+gzip".Length];
        return name.EndsWith(".tar", StringComparison.Ordinal) || name.EndsWith("/tar", StringComparison.Ordinal);
    }

    /// <summary>Whether they are JSON (RFC 6838 §4.2.8).</summary>
    internal static bool IsJson(string type) => type.EndsWith("+json", StringComparison.Ordinal);

    /// <summary>Whether they are readable only with a key: <c>…+encrypted</c>.</summary>
    public static bool IsEncrypted(string type) => type.EndsWith("+encrypted", StringComparison.Ordinal);

    private static bool IsGzip(string type) =>
        type.EndsWith("+gzip", StringComparison.Ordinal) || type.EndsWith(".gzip", StringComparison.Ordinal);
}
