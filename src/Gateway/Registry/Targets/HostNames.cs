namespace Gateway.Registry;

/// <summary>The host that a client asked for, by its <c>Host</c> header.</summary>
internal static class HostNames
{
    // Chosen: one gateway has a handful of names.
    private const int Slots = 64;

    // A host name has 253 characters (RFC 1035 §2.3.4), a port five.
    private const int MaxLength = 260;

    private static readonly RecentValues<string, string> Read = new(Slots);

    /// <summary>The host without port, in lower case; empty for an empty header.</summary>
    public static string Of(HostString host)
    {
        if (host.Value is not { Length: > 0 } text) return "";
        if (Read.Find(text) is { } known) return known;
        var name = host.Host.ToLowerInvariant();
        if (text.Length <= MaxLength) Read.Set(text, name);
        return name;
    }
}
