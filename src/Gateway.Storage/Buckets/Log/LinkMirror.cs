using System.Text;

namespace Gateway.Storage;

/// <summary>
/// Makes the links of distribution's layout in the bucket say what the log says, so that distribution can serve the bucket when the
/// gateways are stopped. Gateways never read these links.
/// </summary>
/// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
internal sealed class LinkMirror(IBucket bucket, string prefix)
{
    /// <summary>Objects that are written at the same time. Chosen: a store answers this many small writes at once without delay.</summary>
    private const int AtOnce = 8;

    /// <summary>The layout below the bucket's prefix, with the paths of distribution.</summary>
    private readonly Root _layout = new($"{prefix}docker/registry/v2", Lifetime.Pushed);

    /// <summary>Writes and removes the links of these records, which are in their order. Doing it again has the same result.</summary>
    public async Task WriteAsync(string name, IReadOnlyCollection<LogRecord> records, CancellationToken cancellationToken)
    {
        // Of each object, the last record that concerns it counts.
        var objects = new Dictionary<string, string?>(StringComparer.Ordinal);
        var current = new Dictionary<TagName, Digest>();
        foreach (var operation in records.SelectMany(static r => r.Change.Operations))
        {
            switch (operation)
            {
                case Operation.StoreManifest o:
                    objects[_layout.ManifestLink(name, o.Digest)] = o.Digest.ToString();
                    break;
                case Operation.LinkBlob o:
                    objects[_layout.BlobLink(name, o.Digest)] = o.Digest.ToString();
                    break;
                case Operation.SetLive o:
                    objects[IndexOf(name, o.Tag, o.Digest)] = o.Digest.ToString();
                    objects[_layout.TagLink(name, o.Tag)] = o.Digest.ToString();
                    current[o.Tag] = o.Digest;
                    break;
                case Operation.RemoveTag o:
                    objects[_layout.TagLink(name, o.Tag)] = null;
                    current[o.Tag] = default;
                    break;
                case Operation.RemoveManifest o:
                    objects[_layout.ManifestLink(name, o.Digest)] = null;
                    break;
                case Operation.RemoveBlob o:
                    objects[_layout.BlobLink(name, o.Digest)] = null;
                    break;
            }
        }
        // Distribution lists a tag while any object is below its folder.
        foreach (var tag in current.Where(static t => t.Value.IsEmpty).Select(static t => t.Key))
        {
            await foreach (var found in bucket.ListAsync($"{_layout.Tag(name, tag)}/", null, cancellationToken)) objects[found.Key] = null;
        }
        await Parallel.ForEachAsync(
            objects, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, WriteAsync);
    }

    private async ValueTask WriteAsync(KeyValuePair<string, string?> link, CancellationToken cancellationToken)
    {
        if (link.Value is { } digest)
            await bucket.PutAsync(link.Key, Encoding.ASCII.GetBytes(digest), PutCondition.None, cancellationToken);
        else
            await bucket.DeleteAsync(link.Key, cancellationToken);
    }

    private string IndexOf(string name, TagName tag, Digest digest) =>
        $"{_layout.Tag(name, tag)}/index/{digest.AlgorithmName}/{digest.Hex}/link";
}
