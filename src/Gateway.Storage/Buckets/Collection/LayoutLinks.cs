using System.Runtime.CompilerServices;

namespace Gateway.Storage;

/// <summary>
/// What distribution's layout of a bucket links: also what another program stored, and what an adoption could not read. It is not in the
/// logs, and its bytes stay.
/// </summary>
internal sealed class LayoutLinks
{
    /// <summary>The repositories.</summary>
    public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

    /// <summary>The linked content, as far as the caller asked for it.</summary>
    public HashSet<Digest> Digests { get; } = [];

    /// <summary>Reads the layout: one request for a thousand links.</summary>
    /// <param name="of">The content that matters.</param>
    public static async Task<LayoutLinks> ReadAsync(SharedStore shared, Func<Digest, bool> of, CancellationToken stop)
    {
        var links = new LayoutLinks();
        var all = $"{shared.Prefix}docker/registry/v2/repositories/";
        await foreach (var found in shared.Bucket.ListAsync(all, null, stop))
        {
            if (found.Key.IndexOf("/_", all.Length, StringComparison.Ordinal) is var end && end < 0) continue;
            links.Names.Add(found.Key[all.Length..end]);
            // The earlier bindings of a tag, below tags/, do not need their content.
            if (DigestOf(found.Key[(end + 1)..].Split('/')) is { IsEmpty: false } digest && of(digest)) links.Digests.Add(digest);
        }
        return links;
    }

    /// <summary>The names of repositories that have links in distribution's layout: one request for each.</summary>
    /// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
    public static async IAsyncEnumerable<string> NamesAsync(
        IBucket bucket, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var name = await NextAsync(null); name is not null; name = await NextAsync(name)) yield return name;

        async ValueTask<string?> NextAsync(string? after)
        {
            var all = $"{prefix}docker/registry/v2/repositories/";
            // Behind every key of this repository, whose folders are an underscore and lower-case letters, and before those of repositories
            // below it that follow. A store answers with this key in XML, so it must have no character that XML forbids.
            var from = after is null ? null : $"{all}{after}/_~";
            await foreach (var one in bucket.ListAsync(all, from, cancellationToken))
            {
                if (one.Key.IndexOf("/_", all.Length, StringComparison.Ordinal) is var end && end > 0) return one.Key[all.Length..end];
            }
            return null;
        }
    }

    private static Digest DigestOf(string[] path) => path switch
    {
        ["_layers", var algorithm, var hex, "link"] => Parse(algorithm, hex),
        ["_manifests", "revisions", var algorithm, var hex, "link"] => Parse(algorithm, hex),
        _ => default,
    };

    private static Digest Parse(string algorithm, string hex) => Digest.TryParse($"{algorithm}:{hex}", out var digest) ? digest : default;
}
