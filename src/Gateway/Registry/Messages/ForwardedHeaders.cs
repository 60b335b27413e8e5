using System.Collections.Immutable;
using System.Net;
using Microsoft.Extensions.Primitives;

namespace Gateway.Registry;

/// <summary>What trusted proxies say of a request; each part is null where they do not say it.</summary>
/// <param name="Client">The address of the client that the outermost trusted proxy saw.</param>
/// <param name="Scheme">How that client asked: <c>http</c> or <c>https</c>.</param>
/// <param name="Host">The host, and the port where it is not the scheme's own, that the client asked for.</param>
internal sealed record Forwarded(IPAddress? Client, string? Scheme, string? Host)
{
    public static readonly Forwarded Nothing = new(null, null, null);
}

/// <summary>
/// Reads <c>X-Forwarded-For</c>, <c>-Proto</c> and <c>-Host</c>, and <c>Forwarded</c> (RFC 7239), from the proxies that
/// <c>trustedProxies</c> names, and from no other peer. ASP.NET's own middleware does not read <c>Forwarded</c>, and believes the scheme
/// and host of a hop that it does not know.
/// </summary>
internal static class ForwardedHeaders
{
    private const string ForName = "X-Forwarded-For";
    private const string ProtoName = "X-Forwarded-Proto";
    private const string HostName = "X-Forwarded-Host";
    private const string StandardName = "Forwarded";

    // A host name has 253 characters (RFC 1035 §2.3.4), a port five.
    private const int MaxHost = 260;

    /// <summary>
    /// Reads what the connection's peer says, if it is trusted. Null where the headers may be forged: the two kinds contradict each other
    /// (proxies set one kind and pass the other on as their client sent it), or a quote in <c>Forwarded</c> is never closed (a client that
    /// sends one hides the element that its proxy adds behind it, and its own element counts instead).
    /// </summary>
    public static Forwarded? Read(IPAddress? peer, IHeaderDictionary headers, ImmutableArray<IPNetwork> trusted)
    {
        if (trusted.IsEmpty || peer is null || !IsTrusted(peer, trusted)) return Forwarded.Nothing;
        var (clients, schemes, hosts) = (Values(headers[ForName]), Values(headers[ProtoName]), Values(headers[HostName]));
        var older = Walk(peer, trusted, i => new(FromEnd(clients, i), FromEnd(schemes, i), FromEnd(hosts, i)));
        if (Elements(headers[StandardName]) is not { } elements) return null;
        if (elements.Length == 0) return older;
        var standard = Walk(peer, trusted, i => ElementOf(FromEnd(elements, i)));
        if (clients.Length + schemes.Length + hosts.Length == 0) return standard;
        return Differ(older.Client, standard.Client) || Differ(older.Scheme, standard.Scheme) || Differ(older.Host, standard.Host)
            ? null
            : new(older.Client ?? standard.Client, older.Scheme ?? standard.Scheme, older.Host ?? standard.Host);
    }

    public static bool IsTrusted(IPAddress address, ImmutableArray<IPNetwork> trusted)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        foreach (var network in trusted)
        {
            if (network.Contains(plain)) return true;
        }
        return false;
    }

    // From the nearest proxy outward, as long as the hop that is named is a trusted proxy too: what stands beyond, a client wrote.
    private static Forwarded Walk(IPAddress peer, ImmutableArray<IPNetwork> trusted, Func<int, Hop> hopAt)
    {
        var (client, scheme, host) = ((IPAddress?)null, (string?)null, (string?)null);
        for (var i = 0; IsTrusted(client ?? peer, trusted); i++)
        {
            var hop = hopAt(i);
            if (SchemeOf(hop.Scheme) is { } saidScheme) scheme = saidScheme;
            if (HostOf(hop.Host) is { } saidHost) host = saidHost;
            if (hop.Client is null || AddressOf(hop.Client) is not { } address) break;
            client = address;
        }
        return new(client, scheme, host);
    }

    private static bool Differ<T>(T? one, T? other) where T : class => one is not null && other is not null && !one.Equals(other);

    private static string? FromEnd(string[] items, int i) => i < items.Length ? items[^(i + 1)] : null;

    private static string? SchemeOf(string? text) => text?.ToLowerInvariant() is "http" or "https" ? text.ToLowerInvariant() : null;

    private static string? HostOf(string? text) =>
        text is { Length: > 0 and <= MaxHost } && Uri.TryCreate($"http://{text}", UriKind.Absolute, out var url)
        && url.PathAndQuery == "/" && url.UserInfo.Length + url.Fragment.Length == 0
        && !text.EndsWith('/') && System.Text.Ascii.IsValid(text)
            ? text.ToLowerInvariant()
            : null;

    // With or without a port. Obfuscated names and "unknown" (RFC 7239 §6.3) are no addresses.
    private static IPAddress? AddressOf(string text)
    {
        if (!IPEndPoint.TryParse(text, out var end) || !text.AsSpan().ContainsAny('.', ':')) return null;
        return end.Address.IsIPv4MappedToIPv6 ? end.Address.MapToIPv4() : end.Address;
    }

    private static Hop ElementOf(string? element)
    {
        var hop = default(Hop);
        if (element is null) return hop;
        foreach (var pair in Split(element, ';') ?? [])
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0) continue;
            var value = Unquote(pair[(equals + 1)..].Trim());
            hop = pair[..equals].Trim().ToLowerInvariant() switch
            {
                "for" => hop with { Client = value },
                "proto" => hop with { Scheme = value },
                "host" => hop with { Host = value },
                _ => hop,
            };
        }
        return hop;
    }

    // A quoted-string (RFC 9110 §5.6.4); none of the values that count has a character that is escaped in one.
    private static string Unquote(string value) =>
        value.Length > 1 && value[0] == '"' && value[^1] == '"' ? value[1..^1].Replace("\\", "", StringComparison.Ordinal) : value;

    // These headers know no quotes: a comma always ends a value.
    private static string[] Values(StringValues values) =>
        values.Count == 0 ? [] : values.ToString().Split(',', StringSplitOptions.TrimEntries);

    private static string[]? Elements(StringValues values) => values.Count == 0 ? [] : Split(values.ToString(), ',');

    // Separators between quotes separate nothing. Null where a quote is never closed.
    private static string[]? Split(string text, char separator)
    {
        List<string> parts = [];
        var (start, isQuoted) = (0, false);
        for (var i = 0; i < text.Length; i++)
        {
            if (isQuoted && text[i] == '\\') i++;
            else if (text[i] == '"') isQuoted = !isQuoted;
            else if (text[i] == separator && !isQuoted)
            {
                parts.Add(text[start..i].Trim());
                start = i + 1;
            }
        }
        parts.Add(text[start..].Trim());
        return isQuoted ? null : [.. parts];
    }

    /// <summary>What one proxy wrote, as it wrote it.</summary>
    private readonly record struct Hop(string? Client, string? Scheme, string? Host);
}
