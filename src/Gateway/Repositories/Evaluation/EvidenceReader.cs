using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>A manifest that is being pushed, as evidence about these subjects.</summary>
internal sealed record Brought(StoredManifest Evidence, ImmutableArray<Digest> Subjects);

/// <summary>
/// Reads the evidence about a manifest, within the limits of <see cref="EvidenceBudget"/>. Only the evidence itself says what it is: lists,
/// tags and indexes are not trusted.
/// </summary>
/// <param name="from">The signature repository that is read; null for the image's own repository.</param>
internal sealed class EvidenceReader(IBacking backing, Brought? brought, TimeProvider clock, RepositoryName? from = null)
{
    private long _remaining = EvidenceBudget.MaxBytes;

    /// <summary>Why some evidence may not have been found or read; null when all was read.</summary>
    public string? Unread { get; private set; }

    /// <summary>The evidence about one manifest, newest first, and whether there is more than may be read.</summary>
    /// <param name="sharers">The number of subjects that are still to be read: each uses at most its share of the remaining bytes.</param>
    public async ValueTask<(ImmutableArray<Evidence> Found, bool IsBeyond)> ReadAsync(
        Digest subject, int sharers, CancellationToken cancellationToken)
    {
        var share = _remaining / sharers;
        _remaining -= share;
        var noted = await backing.EvidenceAsync(subject, cancellationToken);
        NoteUnread((noted as Result<IReadOnlyList<Digest>>.Unavailable)?.Why ?? noted.Handling.Incomplete);
        var listed = noted is Result<IReadOnlyList<Digest>>.Found { Value: var all } ? all : [];
        var found = ImmutableArray.CreateBuilder<Evidence>();
        var isBeyond = listed.Count > EvidenceBudget.MaxManifests;
        if (brought is not null && brought.Subjects.Contains(subject)) isBeyond |= !await AddAsync(brought.Evidence);
        foreach (var digest in listed.Take(EvidenceBudget.MaxManifests).Where(d => d != brought?.Evidence.Digest))
        {
            if (await StoredAsync(digest, cancellationToken) is { } stored) isBeyond |= !await AddAsync(stored);
        }
        _remaining += share;
        return (found.ToImmutable(), isBeyond);

        async ValueTask<bool> AddAsync(StoredManifest manifest)
        {
            if (!IsAbout(manifest.Manifest, subject)) return true;
            var (blobs, isWhole) = await ReadBlobsAsync(manifest.Manifest, share, cancellationToken);
            share -= blobs.Values.Sum(static blob => (long)blob.Length);
            found.Add(new(
                manifest.Digest, manifest.Manifest, manifest.Manifest.Subject is null ? TagOf(subject) : null,
                await backing.FirstSeenAsync(manifest.Digest) ?? clock.GetUtcNow(), blobs) { Place = found.Count, Repository = from });
            return isWhole;
        }
    }

    /// <summary>Records why something was not read.</summary>
    public void NoteUnread(string? why) => Unread ??= why;

    /// <summary>Returns the bytes of this evidence to the budget, so that it can be read again with a larger share.</summary>
    public void Forget(ImmutableArray<Evidence> found) =>
        _remaining += found.SelectMany(static one => one.Blobs.Values).Sum(static blob => (long)blob.Length);

    /// <summary>Whether a manifest can be evidence about a subject: it has the form of evidence, and names this subject or none.</summary>
    public static bool IsAbout(Manifest manifest, Digest subject) =>
        ManifestKinds.HasFormOfEvidence(manifest) && (manifest.Subject is null || manifest.Subject.Digest == subject);

    private static TagName? TagOf(Digest subject) =>
        subject.Algorithm == DigestAlgorithm.Sha256 ? EvidenceTag.Of(subject, EvidenceTag.Signature) : null;

    /// <summary>Reads a manifest of evidence. One that only an upstream has is stored.</summary>
    private async ValueTask<StoredManifest?> StoredAsync(Digest digest, CancellationToken cancellationToken)
    {
        var read = await backing.ReadManifestAsync(digest, cancellationToken);
        NoteUnread((read as Result<StoredManifest>.Unavailable)?.Why);
        if (read is not Result<StoredManifest>.Found { Value: var manifest }) return null;
        if (manifest.IsStored || !ManifestKinds.HasFormOfEvidence(manifest.Manifest)) return manifest;
        try
        {
            var stored = StoreOperations.Of(manifest, default, isAdmitted: true, clock.GetUtcNow());
            await backing.CommitAsync(new([.. stored]) { IsFetched = true }, cancellationToken);
            return manifest;
        }
        catch (StoreReadOnlyException e)
        {
            // Without a link, its layers cannot be read.
            NoteUnread(e.Message);
            return null;
        }
    }

    private async ValueTask<(ImmutableDictionary<Digest, ReadOnlyMemory<byte>> Blobs, bool IsWhole)> ReadBlobsAsync(
        Manifest manifest, long remaining, CancellationToken cancellationToken)
    {
        var blobs = ImmutableDictionary.CreateBuilder<Digest, ReadOnlyMemory<byte>>();
        var isWhole = true;
        var signed = manifest.Layers.Where(static layer => EvidenceTypes.HoldsSignature(layer.MediaType)).DistinctBy(static l => l.Digest);
        foreach (var layer in signed.Take(EvidenceBudget.MaxSignatures))
        {
            var most = (int)Math.Min(EvidenceBudget.MaxBytesOf(layer), remaining);
            isWhole &= layer.Size <= most;
            if (layer.Size > most || await ReadBlobAsync(layer.Digest, most, cancellationToken) is not { } bytes) continue;
            remaining -= bytes.Length;
            blobs[layer.Digest] = bytes;
        }
        return (blobs.ToImmutable(), isWhole && manifest.Layers.Length <= EvidenceBudget.MaxSignatures);
    }

    private async ValueTask<byte[]?> ReadBlobAsync(Digest digest, int most, CancellationToken cancellationToken)
    {
        var read = await backing.OpenBlobAsync(digest, BlobUse.Whole, cancellationToken);
        NoteUnread((read as Result<IContent>.Unavailable)?.Why);
        if (read is not Result<IContent>.Found { Value: var content }) return null;
        await using var opened = content;
        try
        {
            var bytes = await content.ReadAsync(most, cancellationToken);
            return bytes is not null && Digest.Of(bytes, digest.Algorithm) == digest ? bytes : null;
        }
        catch (IOException e)
        {
            // The upstream ended the transfer, or the file cannot be read.
            NoteUnread($"{digest} could not be read: {e.Message}");
            return null;
        }
    }
}
