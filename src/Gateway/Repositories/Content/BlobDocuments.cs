using System.Collections.Immutable;
using BitFaster.Caching.Lru;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Finds out which layers with media types of evidence are plain documents. Each is read once, and the result is cached by digest. Nothing
/// is unpacked, so this does not wait for a turn to unpack: a push of a signature is evaluated at once, whatever other clients push.
/// </summary>
internal sealed class BlobDocuments
{
    /// <summary>Maximum number of results that are cached, about 200 bytes each.</summary>
    private const int Most = 50_000;

    private readonly ConcurrentLru<Digest, DocumentForm> _found = new(Most);

    /// <summary>
    /// What the layers are of those manifests that have the form of evidence. A layer that cannot be read now, or not within <see
    /// cref="BlobContents.Wait"/>, is left out; the reason is returned as one line.
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
            // An absent layer is no document now. That is not cached, because it may be present later.
            if (opening is not Result<IContent>.Found { Value: var opened }) return (DocumentForm.None, null);
            await using var content = opened;
            var source = new BlobContents.Source(content, content.Length ?? layer.Size);
            var form = await PlainDocument.ReadAsync(source, patience);
            // The bytes from an upstream are verified only when all of them have been received.
            if (!content.IsVerified) await ReadToEndAsync(source, patience);
            _found.AddOrUpdate(layer.Digest, form);
            return (form, null);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return (null, $"{layer.Digest}, a layer with a media type of evidence, could not be read completely");
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
