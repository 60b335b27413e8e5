namespace Gateway.Storage;

/// <summary>
/// The notes of a repository that a gateway had on its own disk, and that were copied to the bucket with it: held pushes, releases by an
/// operator, evidence by tag, and first-seen times. Distribution has none.
/// </summary>
internal sealed class AdoptedNotes(IBucket bucket, AdoptedObjects objects, Root layout)
{
    /// <summary>
    /// The longest file of notes, in bytes: the times at which content was first seen, some 90 bytes for each digest. Chosen: room for a
    /// million.
    /// </summary>
    private const int MaxFile = 90 << 20;

    private readonly List<Operation> _undated = [];
    private readonly List<(DateTimeOffset At, Operation Operation)> _dated = [];

    /// <summary>Reads all notes. The changes of those with a time of their own are dated by it.</summary>
    public async Task<(IReadOnlyList<Operation> Undated, IReadOnlyList<(DateTimeOffset At, Operation Operation)> Dated)> ReadAsync(
        string name)
    {
        var own = $"{layout.Own(name)}/";
        await foreach (var found in bucket.ListAsync(own, null, CancellationToken.None))
            await ReadAsync(found, found.Key[own.Length..].Split('/'));
        return (_undated, _dated);
    }

    private async Task ReadAsync(ListedObject found, string[] path)
    {
        switch (path)
        {
            case ["offers", var tag] when await objects.ReadTextAsync(found.Key, MaxFile) is { } text:
                if (HeldPushFile.Parse(tag, text) is { } held)
                    _dated.Add((held.PushedAt, new Operation.Hold(held.Tag, held.Digest, held.Actor, held.Expires, held.Missing)));
                else objects.Skip(found.Key, "expected a held push, got other text");
                break;
            case ["released", var digest] when await objects.ReadTextAsync(found.Key, MaxFile) is { } text:
                if (ReleaseFile.Parse(digest, text) is { } release)
                    _dated.Add((release.At, new Operation.Release(release.Digest, release.Actor, release.Reason)));
                else objects.Skip(found.Key, "expected a release, got other text");
                break;
            case ["evidence", var algorithm, var hex, var file]:
                if (Digest.TryParse($"{algorithm}:{hex}", out var subject)
                    && RepositoryFolders.DigestOf(file) is { IsEmpty: false } evidence)
                    _undated.Add(new Operation.AddEvidence(subject, evidence) { Counted = found.Facts.Length > 0 });
                else objects.Skip(found.Key, "expected two digests in the key, got others");
                break;
            case ["seen"] when await objects.ReadTextAsync(found.Key, MaxFile) is { } text:
                _undated.AddRange(SeenTimes.Parse(text).Select(static s => new Operation.Seen(s.Key, s.Value)));
                break;
        }
    }
}
