namespace Gateway.Policy;

/// <summary>
/// Requires some platforms, and allows no other operating systems. The required platforms are checked for an index, and for an image under
/// a tag: an image that is pulled by digest usually belongs to an index.
/// </summary>
internal sealed class PlatformRequirement(PlatformOptions options) : IRequirement
{
    public FactKinds Needs => FactKinds.Configs;

    public bool Descends => false;

    public bool ReadsTag(PolicyInput input) => !options.MustInclude.IsEmpty && !input.Manifest.IsIndex;

    public void Check(Evaluation evaluation)
    {
        ListedImage[] images = [.. ImagesBelow.Of(evaluation.Input, evaluation.Digest, evaluation.Manifest)];
        if (images.Length == 0 && !evaluation.Manifest.IsIndex) return;
        var offered = images.Select(static image => image.Platform).OfType<Platform>().ToArray();
        var text = string.Join(", ", offered.Select(Text).Distinct());
        if (evaluation.Manifest.IsIndex || (evaluation.IsAsked && evaluation.Input.Tag is not null))
        {
            var missing = options.MustInclude.Where(wanted => !offered.Any(platform => Matches(wanted, platform))).ToArray();
            if (missing.Length > 0)
                evaluation.Findings.Add(new(
                    ReasonCodes.PlatformMissing, $"it offers {(text.Length == 0 ? "no platform" : text)}, not {string.Join(", ", missing)}",
                    "build the missing platforms, and push one index of all")
                {
                    Path = "manifests", Expected = string.Join(", ", options.MustInclude), Found = text,
                });
        }
        if (!options.OnlyOs.IsEmpty) CheckOs(evaluation, images);
    }

    private void CheckOs(Evaluation evaluation, ListedImage[] images)
    {
        var allowed = string.Join(", ", options.OnlyOs);
        foreach (var image in images.Where(image => image.Platform is not { } platform || !options.OnlyOs.Contains(platform.Os)))
        {
            var os = image.Platform is { Os.Length: > 0 } platform ? Printable.Quote(platform.Os) : "unknown";
            evaluation.Findings.Add(new(
                ReasonCodes.PlatformOs, $"operating system of {image.Digest.ToString()[..19]}: expected {allowed}, got {os}",
                "leave this platform out")
            {
                Path = image.Digest.ToString(), Expected = allowed, Found = os,
            });
        }
    }

    private static bool Matches(string wanted, Platform platform) =>
        wanted == $"{platform.Os}/{platform.Architecture}" || wanted == $"{platform.Os}/{platform.Architecture}/{platform.Variant}";

    private static string Text(Platform platform) => platform is { Os.Length: 0, Architecture.Length: 0 }
        ? "no platform"
        : Printable.Line($"{platform.Os}/{platform.Architecture}{(platform.Variant is null ? "" : $"/{platform.Variant}")}", 48);
}
