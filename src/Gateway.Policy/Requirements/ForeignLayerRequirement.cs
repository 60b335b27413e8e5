namespace Gateway.Policy;

/// <summary>
/// Requires that the <c>urls</c> of content name only https and hosts that the operator listed; otherwise the content would bypass the
/// policy (docs/policy.md, "Foreign layers").
/// </summary>
internal sealed class ForeignLayerRequirement(ImmutableArray<string> hosts) : IRequirement
{
    private const string Https = "https://";

    public void Check(Evaluation evaluation) => evaluation.Findings.AddRange(
        from descriptor in evaluation.Manifest.Blobs.Concat(evaluation.Manifest.Children)
        where descriptor.Urls.Any(url => !IsAllowed(url))
        select Describe(descriptor, descriptor.Urls.First(url => !IsAllowed(url))));

    // By the first characters, without a URL parser: every reader takes the text between "https://" and the next slash for the host.
    private bool IsAllowed(string url) => hosts.Any(host => url.StartsWith($"{Https}{host}/", StringComparison.OrdinalIgnoreCase));

    private static Finding Describe(Descriptor descriptor, string url)
    {
        var host = url.StartsWith(Https, StringComparison.Ordinal) ? url[Https.Length..].Split('/')[0] : "";
        return new(
            ReasonCodes.ForeignLayer,
            $"{descriptor.Digest.ToString()[..19]} ({descriptor.MediaType}) has the url {Printable.Quote(url)}",
            host.Length == 0
                ? "only https is allowed: push the layer itself"
                : $"push the layer itself, or list {Printable.Quote(host)} under policy.parser.foreignLayers.allowHosts");
    }
}
