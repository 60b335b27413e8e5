using System.Globalization;

namespace Gateway.Policy;

/// <summary>Limits the sizes in one manifest, which equal the stored sizes: a push with other sizes is refused earlier.</summary>
internal sealed class LimitRequirement(LimitOptions limits) : IRequirement
{
    public bool BindsEvidence => true;

    public void Check(Evaluation evaluation)
    {
        var manifest = evaluation.Manifest;
        // Thousands of sizes of 2^53 bytes do not fit into 64 bits.
        var total = manifest.Blobs.Aggregate(Int128.Zero, static (sum, blob) => sum + blob.Size);
        if (total > limits.MaxTotalBytes)
        {
            evaluation.Findings.Add(
                TooMuch(ReasonCodes.LimitTotalBytes, "config and layers: ", total, limits.MaxTotalBytes.Value, "bytes"));
        }
        if (manifest.Layers.FirstOrDefault(layer => layer.Size > limits.MaxLayerBytes) is { } large)
        {
            var what = $"layer {large.Digest.ToString()[..19]}: ";
            evaluation.Findings.Add(
                TooMuch(ReasonCodes.LimitLayerBytes, what, large.Size, limits.MaxLayerBytes!.Value, "bytes")
                with { Path = $"layers[{manifest.Layers.IndexOf(large)}]" });
        }
        if (manifest.Layers.Length > limits.MaxLayers)
            evaluation.Findings.Add(TooMuch(ReasonCodes.LimitLayers, "", manifest.Layers.Length, limits.MaxLayers.Value, "layers"));
    }

    private static Finding TooMuch(string code, string what, Int128 found, Int128 allowed, string unit) =>
        new(code, $"{what}expected at most {Text(allowed)} {unit}, got {Text(found)}", "make it smaller, or raise the rule's limit")
        {
            Expected = $"at most {Text(allowed)} {unit}",
            Found = $"{Text(found)} {unit}",
        };

    private static string Text(Int128 number) => number.ToString(CultureInfo.InvariantCulture);
}
