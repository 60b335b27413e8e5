using System.Collections.Concurrent;
using System.Collections.Immutable;
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
    /// <summary>Findings kept, about 150 bytes each; beyond it all are forgotten, and blobs are read again.</summary>
    private const int Most = 50_000;

    private readonly ConcurrentDictionary<Digest, DocumentForm> _found = new();

    /// <summary>
    /// What the layers are of those manifests that have the form of evidence. A layer that cannot be read, or not within
    /// <see cref="BlobContents.Wait"/>, is left out.
    /// </summary>
    public async ValueTask<ImmutableDictionary<Digest, DocumentForm>> ReadAsync(
        IBacking backing, IEnumerable<Manifest> manifests, CancellationToken cancellationToken)
    {
        var layers = manifests.Where(ManifestKinds.HasFormOfEvidence).SelectMany(static m => m.Layers).DistinctBy(static l => l.Digest);
        var forms = ImmutableDictionary.CreateBuilder<Digest, DocumentForm>();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(BlobContents.Wait);
        foreach (var layer in layers)
        {
            if (await FindAsync(backing, layer, patience.Token) is { } form) forms[layer.Digest] = form;
        }
        cancellationToken.ThrowIfCancellationRequested();
        return forms.ToImmutable();
    }

    private async ValueTask<DocumentForm?> FindAsync(IBacking backing, Descriptor layer, CancellationToken patience)
    {
        if (_found.TryGetValue(layer.Digest, out var known)) return known;
        try
        {
            if (await backing.OpenBlobAsync(layer.Digest, BlobUse.Whole, patience) is not Result<IContent>.Found { Value: var opened })
                return null;
            await using var content = opened;
            var source = new BlobContents.Source(content, content.Length ?? layer.Size);
            var form = await PlainDocument.ReadAsync(source, patience);
            // What an upstream sends is what its digest says only once all of it is here.
            if (!content.IsVerified) await ReadToEndAsync(source, patience);
            if (_found.Count >= Most) _found.Clear();
            return _found[layer.Digest] = form;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return null;
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
