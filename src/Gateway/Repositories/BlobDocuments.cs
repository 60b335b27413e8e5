using System.Collections.Immutable;
using BitFaster.Caching.Lru;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Which layers that have the media types of evidence are plain documents: each is read once, and the finding kept by digest. Nothing is
/// unpacked, so that this waits for no slot that unpacking takes: a push of a signature is judged at once whoever else pushes what.
/// </summary>
internal sealed class BlobDocuments
{
    /// <summary>Most results that are cached, about 200 bytes each.</summary>
    private const int Most = 50_000;

    private readonly ConcurrentLru<Digest, DocumentForm> _found = new(Most);

    /// <summary>
    /// What the layers are of those manifests that have the form of evidence. A layer that cannot be read now, or not within
    /// <see cref="BlobContents.Wait"/>, is left out, and why is told in one line.
    /// </summary>
    public async ValueTask<(ImmutableDictionary<Digest, DocumentForm> Forms, string? Unread)> ReadAsync(
        IRepositoryContent backing, IEnumerable<Manifest> manifests, CancellationToken cancellationToken)
    {
        var layers = manifests.Where(ManifestKinds.HasFormOfEvidence).SelectMany(static m => m.Layers).DistinctBy(static l => l.Digest);
        var forms = ImmutableDictionary.CreateBuilder<Digest, DocumentForm>();
        string? unread = null;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(BlobContents.Wait);
        foreach (var layer in layers)
        {
            var (form, why) = await FindAsync(backing, layer, patience.Token);
            if (form is { } found) forms[layer.Digest] = found;
            unread ??= why;
        }
        cancellationToken.ThrowIfCancellationRequested();
        return (forms.ToImmutable(), unread);
    }

    private async ValueTask<(DocumentForm? Form, string? Unread)> FindAsync(
        IRepositoryContent backing, Descriptor layer, CancellationToken patience)
    {
        if (_found.TryGet(layer.Digest, out var known)) return (known, null);
        try
        {
            var opening = await backing.OpenBlobAsync(layer.Digest, BlobUse.Whole, patience);
            if (opening is Result<IContent>.Unavailable no) return (null, no.Why);
            // What is not there is no document, and may be there another time.
            if (opening is not Result<IContent>.Found { Value: var opened }) return (DocumentForm.None, null);
            await using var content = opened;
            var source = new BlobContents.Source(content, content.Length ?? layer.Size);
            var form = await PlainDocument.ReadAsync(source, patience);
            // What an upstream sends is what its digest says only once all of it is here.
            if (!content.IsVerified) await ReadToEndAsync(source, patience);
            _found.AddOrUpdate(layer.Digest, form);
            return (form, null);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return (null, $"{layer.Digest}, a layer that is labelled as evidence, could not be read to its end");
        }
    }

    private static async ValueTask ReadToEndAsync(BlobContents.Source source, CancellationToken cancellationToken)
    {
        var buffer = new byte[81_920]; // below the large object heap
        while (await source.ReadAsync(buffer, cancellationToken) > 0)
        {
        }
    }
}
