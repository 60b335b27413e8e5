using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Requires what annotations, or the labels of an image's config, must say. An index may say it itself or by each of its images; an image
/// by itself or by an index that names it.
/// </summary>
internal sealed class AnnotationRequirement(RequireOptions require) : IRequirement
{
    private readonly (string Key, TextMatcher Condition)[] _conditions =
        [.. require.Annotations.Select(static e => (e.Key, new TextMatcher(e.Value)))];

    /// <inheritdoc/>
    public FactKinds Needs => FactKinds.Above | (require.AnnotationsFromLabels ? FactKinds.Configs : FactKinds.None);

    /// <inheritdoc/>
    public bool Descends => false;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        var input = hearing.Input;
        Finding[] own = [.. FindingsOf(hearing.Digest, hearing.Manifest, input)];
        if (own.Length == 0 || IsSaidBelow(hearing) || IsSaidAbove(hearing)) return;
        hearing.Findings.AddRange(own);
    }

    private bool IsSaidBelow(Hearing hearing)
    {
        if (!hearing.Manifest.IsIndex) return false;
        var below = hearing.Input.Descendants;
        // Whatever the index lists must be here to speak for itself.
        var here = below.Select(static child => child.Digest).ToHashSet();
        if (!hearing.Manifest.Children.All(entry => here.Contains(entry.Digest))) return false;
        var images = below.Where(child => hearing.Input.KindOf(child.Manifest) == ManifestKind.Image).ToArray();
        return images.Length > 0 && images.All(image => !FindingsOf(image.Digest, image.Manifest, hearing.Input).Any());
    }

    private bool IsSaidAbove(Hearing hearing)
    {
        var input = hearing.Input;
        var above = hearing.IsAsked ? input.Facts.Above : input.Facts.Above.Add((input.Digest, input.Manifest));
        return above.Any(index => !FindingsOf(index.Digest, index.Manifest, input).Any());
    }

    private IEnumerable<Finding> FindingsOf(Digest digest, Manifest manifest, PolicyInput input)
    {
        foreach (var (key, condition) in _conditions)
        {
            string[] values = [.. ValuesOf(key, digest, manifest, input)];
            if (values.Length == 0) yield return Problem(ReasonCodes.AnnotationMissing, key, condition, "is missing", "");
            else if (values.FirstOrDefault(value => !condition.IsMatch(value)) is { } wrong)
                yield return Problem(ReasonCodes.AnnotationMismatch, key, condition, $"is {Printable.Quote(wrong)}", wrong);
        }
    }

    // Every place that says something must say the right thing: an annotation added by hand does not hide what the label says.
    private IEnumerable<string> ValuesOf(string key, Digest digest, Manifest manifest, PolicyInput input)
    {
        if (require.AnnotationsFromManifest && manifest.Annotations.TryGetValue(key, out var annotation)) yield return annotation;
        if (require.AnnotationsFromLabels && input.Facts.Configs.TryGetValue(digest, out var config)
            && config.Labels.TryGetValue(key, out var label))
            yield return label;
    }

    private static Finding Problem(string code, string key, TextMatcher condition, string what, string found) => new(
        code, $"{Printable.Quote(key)} {what}, expected {Printable.Line(condition.ToString(), 96)}", "set it when the image is built")
    {
        Path = $"annotations.{key}", Expected = condition.ToString(), Found = found,
    };
}
