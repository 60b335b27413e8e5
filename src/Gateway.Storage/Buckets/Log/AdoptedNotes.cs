using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// The notes of a repository that a gateway had on its own disk, and that were copied to the bucket with it: held pushes, releases by an
/// operator, evidence by tag, and first-seen times. Distribution has none.
/// </summary>
/// <param name="layout">The layout of the bucket.</param>
internal sealed class AdoptedNotes(IBucket bucket, Root layout)
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
            case ["offers", var tag] when HeldPushFile.Parse(tag, await TextAsync(found.Key)) is { } held:
                _dated.Add((held.PushedAt, new Operation.Hold(held.Tag, held.Digest, held.Actor, held.Expires, held.Missing)));
                break;
            case ["released", var digest] when ReleaseFile.Parse(digest, await TextAsync(found.Key)) is { } release:
                _dated.Add((release.At, new Operation.Release(release.Digest, release.Actor, release.Reason)));
                break;
            case ["evidence", var algorithm, var hex, var file]
                when Digest.TryParse($"{algorithm}:{hex}", out var subject) && Digest.TryParse(file.Replace('-', ':'), out var evidence):
                _undated.Add(new Operation.AddEvidence(subject, evidence) { Counted = found.Facts.Length > 0 });
                break;
            case ["seen"]:
                _undated.AddRange(SeenTimes.Parse(await TextAsync(found.Key)).Select(static s => new Operation.Seen(s.Key, s.Value)));
                break;
        }
    }

    private async Task<string> TextAsync(string key) =>
        Encoding.UTF8.GetString((await bucket.ReadAsync(key, MaxFile, null, CancellationToken.None)).Bytes.Span);
}
