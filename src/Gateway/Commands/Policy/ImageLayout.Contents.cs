using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Repositories;

namespace Gateway.Commands.Policy;

/// <summary>The kinds of the bytes of a layout's layers and configs.</summary>
internal sealed partial class ImageLayout
{
    private static readonly MediaSniffer Sniffer = new(Zstd.Unpack);

    /// <summary>
    /// The same question with the kinds of the layers of evidence. A manifest in a separate file has no layers, so their media types count.
    /// </summary>
    public async Task<PolicyInput> WithDocumentsAsync(PolicyInput asked, CancellationToken cancellationToken)
    {
        var manifests = asked.Descendants.Select(static d => d.Manifest).Prepend(asked.Manifest);
        if (_folder is null) return asked with { Documents = ManifestKinds.Said(manifests) };
        var documents = ImmutableDictionary.CreateBuilder<Digest, DocumentForm>();
        foreach (var layer in manifests.Where(ManifestKinds.HasFormOfEvidence).SelectMany(static m => m.Layers))
        {
            if (documents.ContainsKey(layer.Digest) || FileOf(layer.Digest) is not { } file) continue;
            await using var stream = file.OpenRead();
            documents[layer.Digest] = await PlainDocument.ReadAsync(new Source(stream), cancellationToken);
        }
        return asked with { Documents = documents.ToImmutable() };
    }

    /// <summary>The same question with the kinds of the blobs, each read completely.</summary>
    public async Task<PolicyInput> WithContentsAsync(PolicyInput asked, CancellationToken cancellationToken)
    {
        var contents = ImmutableDictionary.CreateBuilder<Digest, Content>();
        foreach (var blob in asked.Descendants.Select(static d => d.Manifest).Prepend(asked.Manifest).SelectMany(static m => m.Blobs))
        {
            if (contents.ContainsKey(blob.Digest)) continue;
            if (FileOf(blob.Digest) is not { } file) continue;
            await using var stream = file.OpenRead();
            contents[blob.Digest] = await Sniffer.ReadAsync(new Source(stream), cancellationToken);
        }
        return asked with { Facts = asked.Facts with { Contents = contents.ToImmutable() } };
    }

    private sealed class Source(Stream stream) : IByteSource
    {
        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
            stream.ReadAsync(buffer, cancellationToken);
    }
}
