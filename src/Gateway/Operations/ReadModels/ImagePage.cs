namespace Gateway.Operations.ReadModels;

/// <summary>One manifest with all that is known about it here.</summary>
/// <param name="Reference">The tag or digest that was asked for.</param>
/// <param name="Tag">The tag; null when a digest was asked for.</param>
/// <param name="MayDelete">Whether the viewer may delete it.</param>
public sealed record ImagePage(
    string Repository, string Reference, string? Tag, string Digest, string MediaType, string? ArtifactType, ContentKind Kind, long Size,
    DateTimeOffset? SeenAt, DateTimeOffset? Created, bool MayDelete)
{
    /// <summary>The tags that are bound to it, at most <see cref="ImagePages.MostTags"/>.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Whether more tags may be bound to it.</summary>
    public required bool HasMoreTags { get; init; }

    /// <summary>
    /// The manifest's annotations, at most <see cref="ImageConfigViews.MostEntries"/>, each cut: all of a document could be annotations.
    /// </summary>
    public required IReadOnlyDictionary<string, string> Annotations { get; init; }

    /// <summary>Whether there are more annotations than are listed.</summary>
    public required bool HasMoreAnnotations { get; init; }

    /// <summary>The entries of an index; empty for a manifest.</summary>
    public required IReadOnlyList<PlatformRow> Platforms { get; init; }

    /// <summary>The layers; empty for an index.</summary>
    public required IReadOnlyList<LayerRow> Layers { get; init; }

    /// <summary>The config of an image; null for other content, and when it cannot be read here.</summary>
    public required ConfigView? Config { get; init; }

    /// <summary>The files of a Helm chart; null for other content, and when they cannot be read here.</summary>
    public required ChartView? Chart { get; init; }

    /// <summary>The manifests that are about it, each with those that are about it in turn.</summary>
    public required IReadOnlyList<ReferrerNode> Referrers { get; init; }

    /// <summary>Whether there are more referrers than are listed.</summary>
    public required bool HasMoreReferrers { get; init; }

    /// <summary>Whether it is signed.</summary>
    public required SignatureState Signature { get; init; }

    /// <summary>The policy's answer to a pull; of a held push, to the push.</summary>
    public required VerdictView Verdict { get; init; }

    /// <summary>The held push of the tag; null for none.</summary>
    public required HeldSummary? Held { get; init; }

    /// <summary>What the tag was bound to before, the latest first.</summary>
    public required IReadOnlyList<EarlierRow> History { get; init; }

    /// <summary>Whether the viewer may bind the tag to another manifest.</summary>
    public required bool MayRollBack { get; init; }

    /// <summary>The manifest as it is stored; null when it is longer than the page shows.</summary>
    public required string? Manifest { get; init; }
}

/// <summary>A manifest that the tag was bound to before.</summary>
/// <param name="Kind">Null when it is not stored here any more.</param>
/// <param name="Outcome">What the policy says now of a push of it under the tag; null when it is not stored here any more.</param>
public sealed record EarlierRow(string Digest, ContentKind? Kind, DateTimeOffset? SeenAt, string? Outcome);

/// <summary>An entry of an index.</summary>
/// <param name="Platform">Such as <c>linux/amd64</c>; the kind of the entry where it states none.</param>
/// <param name="Size">Bytes of config and layers; null when the image is not stored here.</param>
public sealed record PlatformRow(string Platform, string Digest, string MediaType, long? Size);

/// <param name="CreatedBy">The history line of the config that made it; null when it has none.</param>
public sealed record LayerRow(string Digest, string MediaType, long Size, string? CreatedBy, string? Title);

/// <summary>What the config of an image says (image-spec, config.md).</summary>
public sealed record ConfigView(
    string Os, string Architecture, string? User, string? WorkingDirectory, IReadOnlyList<string> Entrypoint, IReadOnlyList<string> Command,
    IReadOnlyList<string> Environment, IReadOnlyList<string> Ports, IReadOnlyDictionary<string, string> Labels);

/// <summary>The files of a chart, as far as the page shows them; null for a file that the chart does not have.</summary>
public sealed record ChartView(string? ChartYaml, string? Readme, string? Values);

/// <summary>A manifest that is about another one.</summary>
/// <param name="Counts">Whether the policy counts it; null when no rule read it.</param>
/// <param name="Signer">The authority that made it, or why it does not count; null when no rule read it.</param>
/// <param name="LogIndex">The number of its entry in a transparency log, as it states it; null for none.</param>
/// <param name="LoggedAt">The time of that entry; null for none.</param>
/// <param name="Details">What it contains, such as the number of packages of an SBOM; null for nothing in particular.</param>
public sealed record ReferrerNode(
    string Digest, ContentKind Kind, string? ArtifactType, long Size, DateTimeOffset? SeenAt, bool? Counts, string? Signer, long? LogIndex,
    DateTimeOffset? LoggedAt, string? Details, IReadOnlyList<ReferrerNode> Referrers);

/// <summary>The policy's answer.</summary>
/// <param name="Outcome">The outcome with modes and exceptions.</param>
/// <param name="Rules">The result of each rule, in the order of the file.</param>
/// <param name="Unknown">Why it is not known whether it is refused; null when it is known.</param>
public sealed record VerdictView(
    string Stage, string Outcome, IReadOnlyList<RuleAnswer> Rules, IReadOnlyList<EvidenceAnswer> Evidence, DateTimeOffset? Until,
    string? Unknown);
