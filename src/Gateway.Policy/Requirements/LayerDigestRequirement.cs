using Gateway.Oci;
using Gateway.Policy.Media;

namespace Gateway.Policy;

/// <summary>
/// Requires of an image that each layer, unpacked, is the one that its config names (<c>rootfs.diff_ids</c>): what a client that pulls the
/// layers by the manifest and trusts the config gets. Layers whose bytes are not here, elsewhere by <c>urls</c> or encrypted are not looked
/// at.
/// </summary>
internal sealed class LayerDigestRequirement : IRequirement
{
    private const string Fix = "build the image again";

    /// <inheritdoc/>
    public FactKinds Needs => FactKinds.Contents | FactKinds.Configs;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        if (hearing.Kind != ManifestKind.Image) return;
        if (!hearing.Input.Facts.Configs.TryGetValue(hearing.Digest, out var config))
        {
            // A client may read it all the same, and otherwise than we would.
            if (hearing.Manifest.Config is { } blob && Contents.Of(hearing, blob) is { IsUnread: false })
                hearing.Findings.Add(new(ReasonCodes.LayerDigest, "its config cannot be read in one way only", Fix) { Path = "config" });
            return;
        }
        var layers = hearing.Manifest.Layers;
        if (layers.Length != config.DiffIds.Length)
        {
            hearing.Findings.Add(new(
                ReasonCodes.LayerDigest, $"it has {layers.Length} layers, its config names {config.DiffIds.Length}", Fix)
            {
                Path = "layers", Expected = $"{config.DiffIds.Length} layers", Found = $"{layers.Length} layers",
            });
            return;
        }
        for (var i = 0; i < layers.Length; i++) CheckLayer(hearing, i, layers[i], config.DiffIds[i]);
    }

    private static void CheckLayer(Hearing hearing, int index, Descriptor layer, Digest expected)
    {
        if (!layer.Urls.IsEmpty || MediaClaims.IsEncrypted(layer.MediaType)) return;
        if (Contents.Of(hearing, layer) is not { IsUnread: false } content || content.DiffId == expected) return;
        // A config may name its layers by another algorithm than the one we hash with.
        if (!content.DiffId.IsEmpty && content.DiffId.Algorithm != expected.Algorithm) return;
        var found = content.DiffId.IsEmpty ? "nothing that can be unpacked" : content.DiffId.ToString();
        hearing.Findings.Add(new(
            ReasonCodes.LayerDigest,
            $"layer {layer.Digest.ToString()[..19]}, unpacked, is {Printable.Line(found, 28)}, its config says {expected.ToString()[..19]}",
            Fix)
        {
            Path = $"layers[{index}]", Expected = expected.ToString(), Found = found,
        });
    }
}
