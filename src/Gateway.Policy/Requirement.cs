using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>What one requirement finds wrong with one manifest.</summary>
/// <param name="Code">One of <see cref="ReasonCodes"/>.</param>
/// <param name="What">What was found, as the start of a sentence.</param>
/// <param name="Fix">What to do about it.</param>
internal sealed record Finding(string Code, string What, string Fix)
{
    // Enough hex to find the child by.
    private const int ShortDigest = 19;

    /// <summary>The field of the document; empty for the whole.</summary>
    public string Path { get; init; } = "";

    /// <summary>What was asked for.</summary>
    public string Expected { get; init; } = "";

    /// <summary>What is there.</summary>
    public string Found { get; init; } = "";

    /// <summary>Whether more evidence could mend it: then it comes to what the rule's <c>onMissing</c> says.</summary>
    public bool IsMissing { get; init; }

    /// <summary>
    /// Why it may not be so: what would disprove it could not be looked at. Null where it is known to be so.
    /// </summary>
    public string? Unknown { get; init; }

    /// <summary>The same, where something that it may rest on could not be looked at.</summary>
    /// <param name="code">The reason code of the requirement that could not be checked.</param>
    /// <param name="what">What could not be looked at.</param>
    /// <param name="why">Why not: one line.</param>
    public Finding InDoubt(string code, string what, string why) =>
        new(code, $"{what} could not be looked at: {why}", "try again")
        {
            Path = Path, Expected = Expected, IsMissing = true, Unknown = why,
        };

    /// <summary>The manifest below the asked one that it is about; empty for the asked one.</summary>
    public Digest Child { get; init; }

    /// <summary>The same, told by the index above.</summary>
    public Finding AtChild(Digest child) => this with
    {
        Code = ReasonCodes.ChildDenied,
        What = $"child {child.ToString()[..ShortDigest]}: {What}",
        Path = Path.Length == 0 ? child.ToString() : $"{child} {Path}",
        Child = child,
    };
}

/// <summary>One manifest of a question, and the place for what is found out about it.</summary>
/// <param name="input">The question.</param>
/// <param name="sets">The question's evidence, as it has been read.</param>
/// <param name="digest">The manifest's digest: the question's own, or one below it.</param>
/// <param name="manifest">The manifest.</param>
internal sealed class Hearing(PolicyInput input, EvidenceSets sets, Digest digest, Manifest manifest)
{
    /// <summary>The question.</summary>
    public PolicyInput Input => input;

    /// <summary>The question's evidence.</summary>
    public EvidenceSets Sets => sets;

    /// <summary>The digest of the manifest that is looked at.</summary>
    public Digest Digest => digest;

    /// <summary>The manifest that is looked at.</summary>
    public Manifest Manifest => manifest;

    /// <summary>Its kind.</summary>
    public ManifestKind Kind { get; } = input.KindOf(manifest);

    /// <summary>Whether it is the one that was asked about, and none below it.</summary>
    public bool IsAsked => digest == input.Digest;

    /// <summary>The names of a manifest: what vouches for one of them vouches for the bytes.</summary>
    public Digest[] NamesOf(Digest one) => one == input.Digest && !input.Canonical.IsEmpty ? [one, input.Canonical] : [one];

    /// <summary>What was found wrong.</summary>
    public List<Finding> Findings { get; } = [];

    /// <summary>The evidence that was looked at.</summary>
    public List<EvidenceSeen> Evidence { get; } = [];

    /// <summary>The ages that were found in evidence.</summary>
    public List<AttestedAge> Ages { get; } = [];

    /// <summary>The earliest moment that could change what was found.</summary>
    public DateTimeOffset? Until { get; private set; }

    /// <summary>Puts in doubt what was found by a requirement while something that it looks at could not be read.</summary>
    public void Doubt(FactKinds needs)
    {
        // The outcome stays: the question was asked as for an image, and holds until the document is known to be something else.
        if (input.DocumentsUnread is { } unread)
        {
            for (var i = 0; i < Findings.Count; i++) Findings[i] = Findings[i] with { Unknown = Findings[i].Unknown ?? unread };
        }
        var facts = input.Facts;
        var (code, what, why) = needs.HasFlag(FactKinds.Evidence) && facts.EvidenceUnread is not null
            ? (ReasonCodes.EvidenceUnavailable, "its evidence", facts.EvidenceUnread)
            : (ReasonCodes.ContentUnavailable, "its config", needs.HasFlag(FactKinds.Configs) ? facts.ConfigsUnread : null);
        if (why is null) return;
        // Trust that has grown old counts nothing, whatever more there is.
        for (var i = 0; i < Findings.Count; i++)
        {
            if (Findings[i] is { Unknown: null, Code: not ReasonCodes.TrustStale } found) Findings[i] = found.InDoubt(code, what, why);
        }
    }

    /// <summary>Notes a moment that could change the answer; one that has passed cannot.</summary>
    public void ChangesAt(DateTimeOffset? moment)
    {
        if (moment > input.Now && (Until is null || moment < Until)) Until = moment;
    }
}

/// <summary>One thing that a rule requires. Pure; the engine asks it of the manifests that the rule is about.</summary>
internal interface IRequirement
{
    /// <summary>The facts it looks at.</summary>
    FactKinds Needs => FactKinds.None;

    /// <summary>Whether it binds evidence whatever kinds the rule names.</summary>
    bool BindsEvidence => false;

    /// <summary>
    /// Whether it is about a tag, and binds whatever is bound to the tag: a rule's kinds do not matter to it, because the tag would break
    /// the rule whatever kind of manifest it was moved to.
    /// </summary>
    bool BindsEveryKind => false;

    /// <summary>Whether it can be about manifests of this kind at all.</summary>
    bool IsAbout(ManifestKind kind) => true;

    /// <summary>Whether it is asked of each manifest below an index too; else it looks below by itself.</summary>
    bool Descends => true;

    /// <summary>Whether what it says to this question may be another for another tag.</summary>
    bool ReadsTag(PolicyInput input) => false;

    /// <summary>Looks at one manifest, and notes what is wrong with it.</summary>
    void Check(Hearing hearing);
}
