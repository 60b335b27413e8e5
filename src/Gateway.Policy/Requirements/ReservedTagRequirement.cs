using System.Text.RegularExpressions;

namespace Gateway.Policy;

/// <summary>
/// Keeps the tags under which clients look for evidence for evidence: an image there would be taken for a signature by what goes by names
/// (docs/policy.md, "Reserved tags").
/// </summary>
internal sealed partial class ReservedTagRequirement : IRequirement
{
    /// <inheritdoc/>
    public bool Descends => false;

    // Only where a tag is bound: what is there already was judged then.
    /// <inheritdoc/>
    public bool ReadsTag(PolicyInput input) => input.Stage != Stage.Pull;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        if (hearing.Input.Tag is not { } tag || hearing.Input.Stage == Stage.Pull || hearing.Kind == ManifestKind.Evidence) return;
        if (Form().Match(tag.Value) is not { Success: true } match) return;
        // Clients without the referrers API keep an index there of all that refers to the digest, whatever it is.
        if (!match.Groups["suffix"].Success && hearing.Manifest.IsIndex) return;
        var kind = hearing.Kind.ToString().ToLowerInvariant();
        hearing.Findings.Add(new(
            ReasonCodes.TagReserved, $"tag {tag.Value[..19]}...{match.Groups["suffix"].Value} is for evidence, this is of kind {kind}",
            "push it under another tag")
        {
            Path = tag.Value, Expected = "evidence", Found = kind,
        });
    }

    [GeneratedRegex(@"\Asha256-[0-9a-f]{64}(?<suffix>\.(sig|att|sbom))?\z", RegexOptions.NonBacktracking)]
    private static partial Regex Form();
}
