using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Repositories;

namespace Gateway.Commands.Policy;

/// <summary>What the bytes of a layout's layers and configs are.</summary>
internal sealed partial class ImageLayout
{
    private static readonly MediaSniffer Sniffer = new(Zstd.Unpack);

    /// <summary>The same question with what the blobs are whose media types claim anything, each read whole.</summary>
    /// <exception cref="DllNotFoundException">One is packed with zstd, and libzstd is not installed.</exception>
    public async Task<PolicyInput> WithContentsAsync(PolicyInput asked, CancellationToken cancellationToken)
    {
        var contents = ImmutableDictionary.CreateBuilder<Digest, Content>();
        foreach (var blob in asked.Descendants.Select(static d => d.Manifest).Prepend(asked.Manifest).SelectMany(static m => m.Blobs))
        {
            if (!blob.Urls.IsEmpty || !MediaClaims.IsAny(blob.MediaType) || contents.ContainsKey(blob.Digest)) continue;
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
