namespace Gateway.WebConsole;

/// <summary>What the pages need of the request.</summary>
/// <param name="Base">The path before the console's own paths: empty on the operator port, otherwise <c>/-/console</c>.</param>
/// <param name="Registry">Host and port by which clients reach the registry.</param>
/// <param name="IsPlain">Whether clients reach it over http.</param>
/// <param name="Account">The account's name; null when nobody logs in here.</param>
/// <param name="IsOperator">Whether the person sees the pages about the whole gateway.</param>
/// <param name="Csrf">The token that every form must send.</param>
public sealed record Visit(string Base, string Registry, bool IsPlain, string? Account, bool IsOperator, string Csrf)
{
    /// <summary>Whether nothing can be changed here, because the listener is <c>pull-only</c>.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Whether this gateway is one of several replicas.</summary>
    public bool HasReplicas { get; init; }

    /// <summary>The API's address, as commands write it.</summary>
    public required string Api { get; init; }

    /// <summary>The time of the request.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>The address of a page.</summary>
    /// <param name="path">Begins with a slash.</param>
    /// <param name="query">Names and values; a null value is left out.</param>
    public string To(string path, params ReadOnlySpan<(string Name, object? Value)> query)
    {
        var text = Base + path;
        var separator = '?';
        foreach (var (name, value) in query)
        {
            if (value is null or "") continue;
            var written = Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!;
            text += $"{separator}{name}={Uri.EscapeDataString(written)}";
            separator = '&';
        }
        return text;
    }

    /// <summary>The page of a repository's tags.</summary>
    public string ToTags(string repository) => To("/tags", ("repository", repository));

    /// <summary>The page of a manifest.</summary>
    public string ToImage(string repository, string reference) => To("/image", ("repository", repository), ("reference", reference));
}
