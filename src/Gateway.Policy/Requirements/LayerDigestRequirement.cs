using Gateway.Policy.Media;

namespace Gateway.Policy;

/// <summary>
/// Requires of an image that each decompressed layer is the one that its config names (<c>rootfs.diff_ids</c>): what a client gets that
/// pulls the layers by the manifest and trusts the config. A layer that cannot be compared is refused, whatever the reason: it is
/// encrypted, stored elsewhere by <c>urls</c>, or named by a digest other than SHA-256.
/// </summary>
internal sealed class LayerDigestRequirement : IRequirement
{
    private const string Fix = "build the image again";

    public FactKinds Needs => FactKinds.Contents | FactKinds.LayerContents | FactKinds.Configs;

    public void Check(Evaluation evaluation)
    {
        if (evaluation.Kind != ManifestKind.Image) return;
        if (!evaluation.Input.Facts.Configs.TryGetValue(evaluation.Digest, out var config))
        {
            // A client could still read it, and differently from the gateway.
            if (evaluation.Manifest.Config is { } blob && Contents.Of(evaluation, blob) is { IsUnread: false })
                evaluation.Findings.Add(
                    new(ReasonCodes.LayerDigest, "its config cannot be read, or is ambiguous", Fix) { Path = "config" });
            return;
        }
        var layers = evaluation.Manifest.Layers;
        if (layers.Length != config.DiffIds.Length)
        {
            evaluation.Findings.Add(new(
                ReasonCodes.LayerDigest, $"it has {layers.Length} layers, its config names {config.DiffIds.Length}", Fix)
            {
                Path = "layers", Expected = $"{config.DiffIds.Length} layers", Found = $"{layers.Length} layers",
            });
            return;
        }
        for (var i = 0; i < layers.Length; i++) CheckLayer(evaluation, i, layers[i], config.DiffIds[i]);
    }

    private static void CheckLayer(Evaluation evaluation, int index, Descriptor layer, Digest expected)
    {
        var content = Contents.Of(evaluation, layer, whateverItClaims: true);
        if (content is { IsUnread: true }) return; // a finding already
        if (Unknown(layer, content, expected) is { } why)
        {
            evaluation.Findings.Add(new(
                ReasonCodes.LayerDigest, $"layer {layer.Digest.ToString()[..19]} {why} and cannot be compared with the config",
                "exclude such images from the rule's repositories")
            {
                Path = $"layers[{index}]", Expected = expected.ToString(), Found = layer.MediaType,
            });
            return;
        }
        if (content is null || content.DiffId == expected) return;
        var found = content.DiffId.IsEmpty ? "nothing that can be unpacked" : content.DiffId.ToString();
        evaluation.Findings.Add(new(
            ReasonCodes.LayerDigest,
            $"layer {layer.Digest.ToString()[..19]}: expected the unpacked digest {expected.ToString()[..19]}, "
                + $"got {Printable.Line(found, 28)}",
            Fix)
        {
            Path = $"layers[{index}]", Expected = expected.ToString(), Found = found,
        });
    }

    // Why neither stored nor fetchable content can say what the layer decompresses to; null when it can.
    private static string? Unknown(Descriptor layer, Content? content, Digest expected) =>
        MediaClaims.IsEncrypted(layer.MediaType) ? "is encrypted"
        : expected.Algorithm != DigestAlgorithm.Sha256 ? $"is named by {expected.AlgorithmName} instead of sha256 in its config"
        : content is null && !layer.Urls.IsEmpty ? "is elsewhere (urls)"
        : null;
}
