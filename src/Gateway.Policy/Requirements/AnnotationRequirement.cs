namespace Gateway.Policy;

/// <summary>
/// Requires values of annotations, or of the labels of an image config. Each image must have them itself, alone and below an index. An
/// index does not need to repeat the values of all its images, but a value that it does have must be right.
/// </summary>
internal sealed class AnnotationRequirement(RequireOptions require) : IRequirement
{
    private readonly (string Key, TextMatcher Condition)[] _conditions =
        [.. require.Annotations.Select(static e => (e.Key, new TextMatcher(e.Value)))];

    public FactKinds Needs => require.AnnotationsFromLabels ? FactKinds.Configs : FactKinds.None;

    public bool Descends => false;

    public void Check(Evaluation evaluation)
    {
        var (input, manifest) = (evaluation.Input, evaluation.Manifest);
        var own = FindingsOf(evaluation.Digest, manifest, input);
        evaluation.Findings.AddRange(manifest.IsIndex && IsOfImages(evaluation) ? own.Where(IsWrong) : own);
        if (!manifest.IsIndex) return;
        foreach (var (digest, child) in input.Descendants)
        {
            var kind = input.KindOf(child);
            if (kind is not (ManifestKind.Image or ManifestKind.Index)) continue;
            var below = FindingsOf(digest, child, input).Where(finding => kind == ManifestKind.Image || IsWrong(finding));
            evaluation.Findings.AddRange(below.Select(finding => finding.AtChild(digest)));
        }
    }

    // Whether the images have the value in place of the index: all that the index lists must be stored to be read.
    private static bool IsOfImages(Evaluation evaluation)
    {
        var here = evaluation.Input.Descendants.Select(static child => child.Digest).ToHashSet();
        return evaluation.Manifest.Children.All(entry => here.Contains(entry.Digest)) && ImagesBelow.Here(evaluation).Any();
    }

    private static bool IsWrong(Finding finding) => finding.Code == ReasonCodes.AnnotationMismatch;

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

    // Every place with a value must have the right one: an annotation that was added later does not hide the label.
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
