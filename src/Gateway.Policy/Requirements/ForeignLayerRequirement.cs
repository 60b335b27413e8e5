using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Requires that content with <c>urls</c> names only https and hosts that the operator listed: else it escapes the policy
/// (docs/policy.md, "Foreign layers").
/// </summary>
internal sealed class ForeignLayerRequirement(ImmutableArray<string> hosts) : IRequirement
{
    private const string Https = "https://";

    /// <inheritdoc/>
    public void Check(Hearing hearing) => hearing.Findings.AddRange(
        from descriptor in hearing.Manifest.Blobs.Concat(hearing.Manifest.Children)
        where descriptor.Urls.Any(url => !IsAllowed(url))
        select Describe(descriptor, descriptor.Urls.First(url => !IsAllowed(url))));

    // By its first characters and without a URL parser: what stands between "https://" and the next slash is the host to every reader.
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
