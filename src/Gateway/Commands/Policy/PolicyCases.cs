using System.Collections.Immutable;
using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary>One case of <c>policy test</c>: a question with its expected answer.</summary>
internal sealed record PolicyCase
{
    public string Name { get; init; } = "";

    /// <summary>An OCI image layout (a folder), or the file of one manifest; absolute.</summary>
    public string Image { get; init; } = "";

    /// <summary>Tag or digest within the layout; null for its only manifest without a subject.</summary>
    public string? Reference { get; init; }

    public RepositoryName Repository { get; init; }

    /// <summary>The tag to bind or pull; null for a digest.</summary>
    public TagName? Tag { get; init; }

    /// <summary>
    /// The current and earlier bindings of the tag, newest first: tags or digests within the layout, or digests that no longer exist.
    /// </summary>
    public ImmutableArray<string> BoundTo { get; init; } = [];

    public Stage Stage { get; init; } = Stage.Pull;

    /// <summary>The time of the evaluation; null for now.</summary>
    public DateTimeOffset? Now { get; init; }

    /// <summary>
    /// When everything in the layout was first seen, except <see cref="FirstSeenOf"/>; null for <see cref="Now"/>.
    /// </summary>
    public DateTimeOffset? FirstSeen { get; init; }

    /// <summary>When single manifests were first seen.</summary>
    public ImmutableSortedDictionary<string, DateTimeOffset> FirstSeenOf { get; init; } =
        ImmutableSortedDictionary<string, DateTimeOffset>.Empty;

    public Outcome Outcome { get; init; }

    /// <summary>The codes of all reasons, in any order; null to compare only the outcome.</summary>
    public ImmutableArray<string>? Codes { get; init; }

    public SourceLocation Location { get; init; } = new("", 1, 1);
}

/// <summary>The format of a cases file.</summary>
internal static class PolicyCases
{
    private static readonly Scalar<string> Image = new(
        "an existing folder or file",
        static (text, reading) => Path.Exists(reading.Absolute(text)) ? reading.Absolute(text) : Parsed<string>.Not("it does not exist"));

    private static readonly Scalar<RepositoryName> Repository = new(
        "a repository's name",
        static (text, _) => RepositoryName.TryParse(text, out var name) ? name : Parsed<RepositoryName>.Not());

    private static readonly Scalar<TagName> Tag = new(
        "a tag", static (text, _) => TagName.TryParse(text, out var tag) ? tag : Parsed<TagName>.Not());

    private static readonly Scalar<Stage> Stages = Scalars.OneOf(
        ("push", Stage.Push), ("proxyFetch", Stage.ProxyFetch), ("tag", Stage.Tag), ("pull", Stage.Pull), ("promote", Stage.Promote));

    private static readonly Scalar<Outcome> Outcomes = Scalars.OneOf(
        ("allow", Outcome.Allow), ("warn", Outcome.Warn), ("quarantine", Outcome.Quarantine), ("deny", Outcome.Deny));

    private static readonly Section<PolicyCase> Expect = new(() => new())
    {
        { "outcome", Outcomes, new Required(), "The expected outcome.", (o, v) => o with { Outcome = v } },
        { "codes", new ListOf<string>(Scalars.Text), "(any)", "The codes of all reasons.", (o, v) => o with { Codes = v } },
    };

    private static readonly Section<PolicyCase> Case = new(() => new())
    {
        { "name", Scalars.Text, new Required(), "The name of the case.", (o, v) => o with { Name = v } },
        { "image", Image, new Required(), "An OCI image layout, or a manifest.", (o, v) => o with { Image = v } },
        { "reference", Scalars.Text, "(its only image)", "Tag or digest within the layout.", (o, v) => o with { Reference = v } },
        { "repository", Repository, new Required(), "The repository of the image.", (o, v) => o with { Repository = v } },
        { "tag", Tag, "(by digest)", "The tag.", (o, v) => o with { Tag = v } },
        {
            "boundTo", new ListOf<string>(Scalars.Text), "[]", "The current and earlier bindings of the tag, newest first.",
            (o, v) => o with { BoundTo = v }
        },
        { "stage", Stages, "pull", "The stage of the evaluation.", (o, v) => o with { Stage = v } },
        { "now", ExceptionSchema.Moment, "(now)", "The time of the evaluation.", (o, v) => o with { Now = v } },
        { "firstSeen", ExceptionSchema.Moment, "(now)", "When everything was first seen.", (o, v) => o with { FirstSeen = v } },
        {
            "firstSeenOf", new MapOf<DateTimeOffset>(Scalars.Text, ExceptionSchema.Moment), "{}",
            "When single manifests were first seen, by digest.", (o, v) => o with { FirstSeenOf = v }
        },
        {
            "expect", Expect, new Required(), "The expected result.", (o, v) => o with { Outcome = v.Outcome, Codes = v.Codes }
        },
    };

    private static readonly Section<ImmutableArray<PolicyCase>> Root = new(() => [])
    {
        { "cases", new ListOf<PolicyCase>(Case), new Required(), "The cases.", (_, v) => v },
    };

    /// <summary>Reads a file of cases; relative paths start from its folder. Mistakes go to the list.</summary>
    public static ImmutableArray<PolicyCase> Read(string file, List<ConfigurationMistake> mistakes)
    {
        try
        {
            var document = YamlReader.Read(BoundedFile.ReadText(file), file, mistakes);
            if (document is null || mistakes.Count > 0) return [];
            var reading = new Reading(new(file, 1, 1), Path.GetDirectoryName(Path.GetFullPath(file))!);
            Root.TryRead(document, "", reading, out var cases);
            mistakes.AddRange(reading.Mistakes);
            return [.. cases.Index().Select(one => one.Item with { Location = reading.Locate($"cases[{one.Index}]") })];
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            mistakes.Add(new(new(file, 1, 1), "", $"expected a readable file of cases: {problem.Message}"));
            return [];
        }
    }
}
