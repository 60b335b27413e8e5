using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// Makes the log of a repository that distribution, or a gateway with a disk of its own, has filled: from its links in the bucket, which
/// stay as they are. What can never be read is skipped, logged, and listed in the bucket for <c>gateway doctor</c>.
/// </summary>
/// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
internal sealed class Adoption(IBucket bucket, string prefix, LogClock clock, ILogger logger)
{
    /// <summary>Objects that are read at the same time. Chosen: a store answers this many small reads at once without delay.</summary>
    private const int AtOnce = 16;

    /// <summary>Operations of one record. Chosen: no record needs much memory at once.</summary>
    private const int MostOfRecord = 1000;

    private readonly Root _layout = new($"{prefix}docker/registry/v2", Lifetime.Pushed);

    // One repository at a time is copied by one of them.
    private readonly PartBuffers _buffers = new(2, Math.Max(BucketContents.PartBytes, bucket.MinPart));

    private sealed record Found(List<(Digest Digest, DateTimeOffset Written)> Manifests, List<Digest> Blobs, List<TagName> Tags);

    /// <summary>
    /// Makes the log of a repository that has links and no head. Another replica may do the same at the same time; one of them makes the
    /// head. Null when the repository has no links.
    /// </summary>
    public async Task<LogHead?> AdoptAsync(string name, LogObjects log)
    {
        var objects = new AdoptedObjects(bucket, prefix, name);
        var found = await FindAsync(name, objects);
        if (found.Manifests.Count + found.Blobs.Count + found.Tags.Count == 0) return null;
        var operations = new List<Operation>();
        var manifests = await ReadAllAsync(found.Manifests, each => ReadManifestAsync(name, each.Digest, objects));
        operations.AddRange(manifests.Select(static m => m.Stored));
        var sizes = manifests.SelectMany(static m => m.Manifest?.Blobs ?? []).DistinctBy(static b => b.Digest)
            .ToDictionary(static b => b.Digest, static b => b.Size);
        foreach (var blob in found.Blobs)
        {
            if (await IsStoredAsync(_layout.BlobLink(name, blob), blob, objects))
                operations.Add(new Operation.LinkBlob(blob, sizes.GetValueOrDefault(blob, -1)));
        }
        operations.AddRange(manifests.SelectMany(ReferrersOf));
        var tags = await ReadAllAsync(
            found.Tags, async tag => (Tag: tag, Digest: await objects.ReadLinkAsync(_layout.TagLink(name, tag))));
        operations.AddRange(tags.Where(static t => !t.Digest.IsEmpty).Select(static t => new Operation.SetLive(t.Tag, t.Digest)));
        var notes = await new AdoptedNotes(bucket, objects, _layout).ReadAsync(name);
        operations.AddRange(notes.Undated);
        // After the notes, of which the first counts: the time of the link is that of the push, or of the copy to the bucket.
        operations.AddRange(found.Manifests.Select(static each => new Operation.Seen(each.Digest, each.Written)));
        // Before the head: what was skipped is not forgotten when this process ends.
        await objects.WriteReportAsync();
        var head = await WriteAsync(operations, notes.Dated, log);
        if (objects.Count > 0) Log.NotAdopted(logger, name, objects.Count, objects.First, objects.Report);
        return head;
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
    private async Task<Found> FindAsync(string name, AdoptedObjects objects)
    {
        var found = new Found([], [], []);
        var folder = $"{_layout.Repository(name)}/";
        await foreach (var key in bucket.ListAsync($"{folder}_layers/", null, CancellationToken.None))
        {
            if (key.Key[folder.Length..].Split('/') is not [_, var algorithm, var hex, "link"]) continue;
            if (Digest.TryParse($"{algorithm}:{hex}", out var digest)) found.Blobs.Add(digest);
            else objects.Skip(key.Key, "expected a digest in the key, got another name");
        }
        await foreach (var key in bucket.ListAsync($"{folder}_manifests/", null, CancellationToken.None))
        {
            switch (key.Key[folder.Length..].Split('/'))
            {
                case [_, "revisions", var algorithm, var hex, "link"] when Digest.TryParse($"{algorithm}:{hex}", out var digest):
                    found.Manifests.Add((digest, key.Facts.Written));
                    break;
                case [_, "tags", var tag, "current", "link"] when TagName.TryParse(tag, out var parsed):
                    found.Tags.Add(parsed);
                    break;
                case [_, "revisions", _, _, "link"] or [_, "tags", _, "current", "link"]:
                    objects.Skip(key.Key, "expected a digest or a tag in the key, got another name");
                    break;
            }
        }
        return found;
    }

    private async Task<(Operation.StoreManifest Stored, Manifest? Manifest)> ReadManifestAsync(
        string name, Digest digest, AdoptedObjects objects)
    {
        var data = _layout.Data(digest);
        // A manifest whose bytes are not there stays linked, as it is in distribution: they can be pushed again.
        if (!await IsStoredAsync(_layout.ManifestLink(name, digest), digest, objects)
            || await objects.ReadAsync(data, StoredManifest.MaxBytes) is not { } bytes)
            return (new(digest, default) { Size = -1 }, null);
        var isWhole = Digest.Of(bytes.Span, digest.Algorithm) == digest;
        if (!isWhole) objects.Skip(data, "expected the bytes of this digest, got others");
        var manifest = isWhole ? ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest : null;
        return (new(digest, default) { Parsed = manifest, Size = bytes.Length }, manifest);
    }

    /// <summary>
    /// Stores content under the digest of its link too, if the link leads to another one: registry:2 stores all content by SHA-256. False
    /// when that content cannot be read, which is reported. The bytes of a link by SHA-256 are not looked at.
    /// </summary>
    private async Task<bool> IsStoredAsync(string link, Digest digest, AdoptedObjects objects)
    {
        if (digest.Algorithm == DigestAlgorithm.Sha256) return true;
        if (await objects.ReadLinkAsync(link) is not { IsEmpty: false } target) return false;
        if (target == digest) return true;
        var (from, to) = (_layout.Data(target), _layout.Data(digest));
        if (await bucket.HeadAsync(from, CancellationToken.None) is not { Length: var length })
        {
            objects.Skip(link, $"expected the bytes of {target}, got no object");
            return false;
        }
        if (await bucket.HeadAsync(to, CancellationToken.None) is { } there && there.Length == length) return true;
        using var hash = new ContentHash(digest.Algorithm);
        await using var writer = new ObjectWriter(bucket, to, _buffers, hash);
        await writer.CopyAsync(from, length, CancellationToken.None);
        if (Digest.FromHash(digest.Algorithm, hash.GetHashAndReset()) != digest)
        {
            objects.Skip(link, $"expected the bytes of this digest under {target}, got others");
            return false;
        }
        await writer.CompleteAsync(CancellationToken.None);
        return true;
    }

    private static IEnumerable<Operation> ReferrersOf((Operation.StoreManifest Stored, Manifest? Manifest) read)
    {
        if (read.Manifest is not { Subject: { } subject } manifest) yield break;
        yield return new Operation.AddReferrer(subject.Digest, manifest.AsReferrer(read.Stored.Digest, read.Stored.Size));
    }

    private static async Task<T[]> ReadAllAsync<TKey, T>(IReadOnlyList<TKey> keys, Func<TKey, Task<T>> read)
    {
        var results = new T[keys.Count];
        await Parallel.ForAsync(
            0, keys.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (i, _) => results[i] = await read(keys[i]));
        return results;
    }
}
