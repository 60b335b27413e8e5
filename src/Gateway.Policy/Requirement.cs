namespace Gateway.Policy;

/// <summary>One finding of a requirement about one manifest.</summary>
/// <param name="Code">One of <see cref="ReasonCodes"/>.</param>
/// <param name="What">What was found, as the start of a sentence.</param>
internal sealed record Finding(string Code, string What, string Fix)
{
    // Enough hex to identify the child.
    private const int ShortDigest = 19;

    /// <summary>The field of the document; empty for the whole document.</summary>
    public string Path { get; init; } = "";

    /// <summary>The expected value.</summary>
    public string Expected { get; init; } = "";

    /// <summary>The value that was found.</summary>
    public string Found { get; init; } = "";

    /// <summary>Whether more evidence could fix it: then the outcome is the rule's <c>onMissing</c>.</summary>
    public bool IsMissing { get; init; }

    /// <summary>Why the finding is uncertain: something that could disprove it could not be read. Null when it is certain.</summary>
    public string? Unknown { get; init; }

    /// <summary>The same finding, when something that it can depend on could not be read.</summary>
    /// <param name="code">The reason code of the requirement that could not be checked.</param>
    /// <param name="why">Why not: one line.</param>
    public Finding InDoubt(string code, string what, string why) =>
        new(code, $"{what} could not be read: {why}", "try again")
        {
            Path = Path, Expected = Expected, IsMissing = true, Unknown = why,
        };

    /// <summary>The manifest below the evaluated one that the finding is about; empty for the evaluated one.</summary>
    public Digest Child { get; init; }

    /// <summary>The same finding, as a finding about the index above.</summary>
    public Finding AtChild(Digest child) => this with
    {
        Code = ReasonCodes.ChildDenied,
        What = $"child {child.ToString()[..ShortDigest]}: {What}",
        Path = Path.Length == 0 ? child.ToString() : $"{child} {Path}",
        Child = child,
    };
}

/// <summary>One manifest of an input, and the results of its evaluation.</summary>
/// <param name="sets">The evidence of the input that was read so far.</param>
/// <param name="digest">The manifest's digest: the input's own, or one below it.</param>
internal sealed class Evaluation(PolicyInput input, EvidenceSets sets, Digest digest, Manifest manifest)
{
    public PolicyInput Input => input;

    public EvidenceSets Sets => sets;

    /// <summary>The digest of the manifest that is evaluated.</summary>
    public Digest Digest => digest;

    public Manifest Manifest => manifest;

    public ManifestKind Kind { get; } = input.KindOf(manifest);

    /// <summary>Whether it is the manifest of the input, not one below it.</summary>
    public bool IsAsked => digest == input.Digest;

    /// <summary>The digests of a manifest: evidence about one of them is about the bytes.</summary>
    public Digest[] NamesOf(Digest one) => one == input.Digest && !input.Canonical.IsEmpty ? [one, input.Canonical] : [one];

    public List<Finding> Findings { get; } = [];

    public List<EvidenceSeen> Evidence { get; } = [];

    /// <summary>The ages that were found in evidence.</summary>
    public List<AttestedAge> Ages { get; } = [];

    /// <summary>The earliest time that could change the findings.</summary>
    public DateTimeOffset? Until { get; private set; }

    /// <summary>Marks findings as uncertain when their requirement needs something that could not be read.</summary>
    public void Doubt(FactKinds needs)
    {
        // The outcome stays: the manifest was evaluated as an image, and that holds until the document is known to be something else.
        if (input.DocumentsUnread is { } unread)
        {
            for (var i = 0; i < Findings.Count; i++) Findings[i] = Findings[i] with { Unknown = Findings[i].Unknown ?? unread };
        }
        var facts = input.Facts;
        var (code, what, why) = needs.HasFlag(FactKinds.Evidence) && facts.EvidenceUnread is not null
            ? (ReasonCodes.EvidenceUnavailable, "its evidence", facts.EvidenceUnread)
            : (ReasonCodes.ContentUnavailable, "its config", needs.HasFlag(FactKinds.Configs) ? facts.ConfigsUnread : null);
        if (why is null) return;
        // A trusted root that is too old counts for nothing, whatever more evidence there is.
        for (var i = 0; i < Findings.Count; i++)
        {
            if (Findings[i] is { Unknown: null, Code: not ReasonCodes.TrustStale } found) Findings[i] = found.InDoubt(code, what, why);
        }
    }

    /// <summary>Notes a time that could change the verdict. A time in the past has no effect.</summary>
    public void ChangesAt(DateTimeOffset? moment)
    {
        if (moment > input.Now && (Until is null || moment < Until)) Until = moment;
    }
}

/// <summary>One thing that a rule requires. Pure; the engine evaluates it for the manifests that the rule applies to.</summary>
internal interface IRequirement
{
    FactKinds Needs => FactKinds.None;

    /// <summary>Whether it applies to evidence whatever the rule's kinds are.</summary>
    bool BindsEvidence => false;

    /// <summary>
    /// Whether it is about a tag, and applies to everything that is bound to the tag. The rule's kinds do not matter then: moving the tag
    /// to a manifest of any kind would break the rule.
    /// </summary>
    bool BindsEveryKind => false;

    /// <summary>Whether it can apply to manifests of this kind.</summary>
    bool IsAbout(ManifestKind kind) => true;

    /// <summary>
    /// Whether the engine evaluates it for each manifest below an index too; otherwise it reads the manifests below by itself.
    /// </summary>
    bool Descends => true;

    /// <summary>Whether its result for this input can differ for another tag.</summary>
    bool ReadsTag(PolicyInput input) => false;

    /// <summary>Evaluates one manifest, and records the findings.</summary>
    void Check(Evaluation evaluation);
}
