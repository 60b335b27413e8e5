using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Makes the log of a repository that distribution, or a gateway with a disk of its own, has filled: from its links in the bucket, which
/// stay as they are.
/// </summary>
/// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
internal sealed class Adoption(IBucket bucket, string prefix, LogClock clock)
{
    /// <summary>Objects that are read at the same time. Chosen: a store answers this many small reads at once without delay.</summary>
    private const int AtOnce = 16;

    /// <summary>A link has at most <c>sha512:</c> and 128 digits, and perhaps a line break.</summary>
    private const int MaxLink = 256;

    /// <summary>Operations of one record. Chosen: no record needs much memory at once.</summary>
    private const int MostOfRecord = 1000;

    private readonly Root _layout = new($"{prefix}docker/registry/v2", Lifetime.Pushed);

    private sealed record Found(List<(Digest Digest, DateTimeOffset Written)> Manifests, List<Digest> Blobs, List<TagName> Tags);

    /// <summary>
    /// Makes the log of a repository that has links and no head. Another replica may do the same at the same time; one of them makes the
    /// head. Null when the repository has no links.
    /// </summary>
    public async Task<LogHead?> AdoptAsync(string name, LogObjects objects)
    {
        var found = await FindAsync(name);
        if (found.Manifests.Count + found.Blobs.Count + found.Tags.Count == 0) return null;
        var operations = new List<Operation>();
        var manifests = await ReadAllAsync(found.Manifests, each => ReadManifestAsync(each.Digest));
        operations.AddRange(manifests.Select(static m => m.Stored));
        var sizes = manifests.SelectMany(static m => m.Manifest?.Blobs ?? []).DistinctBy(static b => b.Digest)
            .ToDictionary(static b => b.Digest, static b => b.Size);
        operations.AddRange(found.Blobs.Select(blob => new Operation.LinkBlob(blob, sizes.GetValueOrDefault(blob, -1))));
        operations.AddRange(manifests.SelectMany(ReferrersOf));
        var tags = await ReadAllAsync(found.Tags, async tag => (Tag: tag, Digest: await ReadLinkAsync(_layout.TagLink(name, tag))));
        operations.AddRange(tags.Where(static t => !t.Digest.IsEmpty).Select(static t => new Operation.SetLive(t.Tag, t.Digest)));
        var notes = await new AdoptedNotes(bucket, _layout).ReadAsync(name);
        operations.AddRange(notes.Undated);
        // After the notes, of which the first counts: the time of the link is that of the push, or of the copy to the bucket.
        operations.AddRange(found.Manifests.Select(static each => new Operation.Seen(each.Digest, each.Written)));
        return await WriteAsync(operations, notes.Dated, objects);
    }

    private async Task<LogHead> WriteAsync(
        List<Operation> operations, IReadOnlyList<(DateTimeOffset At, Operation Operation)> dated, LogObjects objects)
    {
        var now = clock.Time.GetUtcNow();
        var changes = operations.Chunk(MostOfRecord).Select(some => (At: now, Operations: some))
            .Concat(dated.Select(static each => (each.At, Operations: (Operation[])[each.Operation])));
        LogRecord[] records = [.. changes.Select((change, i) => new LogRecord(clock.NewId(), 0, new(
            i + 1, change.At, "", [.. change.Operations],
            [.. change.Operations.Where(static o => o is Operation.SetLive).Select(static _ => default(Digest))])))];
        var part = await objects.WriteSnapshotAsync(records);
        var recent = records.Select(static r => r.Id).TakeLast(LogHead.MostRecent).ToImmutableArray();
        var head = new LogHead(records.Length, records.Length, recent, [], [part]);
        try
        {
            await objects.PutAsync(head.ToBytes(), before: null);
        }
        catch (PreconditionFailedException)
        {
            // Another replica was faster, or an earlier try was done.
        }
        return head;
    }

    /// <summary>Lists the repository's links, without those of repositories below it.</summary>
    private async Task<Found> FindAsync(string name)
    {
        var found = new Found([], [], []);
        await foreach (var key in bucket.ListAsync($"{_layout.Repository(name)}/_layers/", null, CancellationToken.None))
        {
            if (DigestOf(key.Key) is { IsEmpty: false } blob) found.Blobs.Add(blob);
        }
        await foreach (var key in bucket.ListAsync($"{_layout.Repository(name)}/_manifests/", null, CancellationToken.None))
        {
            // …/_manifests/revisions/<algorithm>/<hex>/link, or …/_manifests/tags/<tag>/current/link
            var rest = key.Key[(_layout.Repository(name).Length + "/_manifests/".Length)..].Split('/');
            if (rest is ["revisions", _, _, "link"] && DigestOf(key.Key) is { IsEmpty: false } manifest)
                found.Manifests.Add((manifest, key.Facts.Written));
            if (rest is ["tags", var tag, "current", "link"] && TagName.TryParse(tag, out var parsed)) found.Tags.Add(parsed);
        }
        return found;
    }

    private async Task<(Operation.StoreManifest Stored, Manifest? Manifest)> ReadManifestAsync(Digest digest)
    {
        var bytes = await bucket.ReadAsync(_layout.Data(digest), StoredManifest.MaxBytes, null, CancellationToken.None);
        var isWhole = bytes.ETag is not null && Digest.Of(bytes.Bytes.Span, digest.Algorithm) == digest;
        var manifest = isWhole ? ManifestReader.Read(bytes.Bytes, null, StoredManifest.ReadBackLimits).Manifest : null;
        return (new(digest, default) { Parsed = manifest, Size = bytes.ETag is null ? -1 : bytes.Bytes.Length }, manifest);
    }

    private static IEnumerable<Operation> ReferrersOf((Operation.StoreManifest Stored, Manifest? Manifest) read)
    {
        if (read.Manifest is not { Subject: { } subject } manifest) yield break;
        yield return new Operation.AddReferrer(subject.Digest, new(manifest.MediaType, read.Stored.Digest, read.Stored.Size)
        {
            ArtifactType = manifest.ReferrerType, Annotations = manifest.Annotations,
        });
    }

    private async Task<Digest> ReadLinkAsync(string key)
    {
        var read = await bucket.ReadAsync(key, MaxLink, null, CancellationToken.None);
        return Digest.TryParse(System.Text.Encoding.ASCII.GetString(read.Bytes.Span).TrimEnd('\n'), out var digest) ? digest : default;
    }

    private static async Task<T[]> ReadAllAsync<TKey, T>(IReadOnlyList<TKey> keys, Func<TKey, Task<T>> read)
    {
        var results = new T[keys.Count];
        await Parallel.ForAsync(
            0, keys.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (i, _) => results[i] = await read(keys[i]));
        return results;
    }

    /// <summary>The digest of a key that ends with <c>/algorithm/hex/link</c>.</summary>
    private static Digest DigestOf(string key) =>
        key.Split('/') is [.., var algorithm, var hex, "link"] && Digest.TryParse($"{algorithm}:{hex}", out var digest) ? digest : default;
}
