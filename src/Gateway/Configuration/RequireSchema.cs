using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Configuration;

/// <summary>The <c>require</c> section of a rule.</summary>
internal static class RequireSchema
{
    private static readonly SettingType<string> Regex = new Converted<string, string>(
        Scalars.Text,
        static text => TextMatcher.ProblemOf(text) is { } problem
            ? Parsed<string>.Not($"expected a regular expression: {problem}")
            : text);

    private static readonly Section<TextCondition?> Comparison = new(() => null, CheckCondition)
    {
        { "exact", Scalars.Text, "(none)", "This very text.", (_, v) => new(TextComparison.Exact, v) },
        {
            "glob", Scalars.Text, "(none)", "A pattern over the whole text: `*` for anything but `/`, `**` for anything.",
            (_, v) => new(TextComparison.Glob, v)
        },
        {
            "regex", Regex, "(none)", "A regular expression over the whole text, without look-arounds and back-references.",
            (_, v) => new(TextComparison.Regex, v)
        },
    };

    /// <summary>What a text must be: the text itself, or <c>{ glob: … }</c> or <c>{ regex: … }</c>.</summary>
    public static readonly SettingType<TextCondition> Condition = new Converted<TextCondition?, TextCondition>(
        new Either<TextCondition?>(
            new Scalar<TextCondition?>("a text", static (text, _) => new TextCondition(TextComparison.Exact, text)), Comparison),
        static condition => condition ?? Parsed<TextCondition>.Not("expected one of exact, glob and regex"));

    private static readonly Scalar<string> PlatformName = new(
        "a platform such as linux/amd64 or linux/arm/v7", static (text, _) => IsPlatform(text) ? text : Parsed<string>.Not());

    private static readonly Scalar<string> OsName = new(
        "an operating system such as linux", static (text, _) => IsName(text) ? text : Parsed<string>.Not());

    private static readonly Section<PlatformOptions> Platforms = new(() => new(), CheckPlatforms)
    {
        {
            "mustInclude", new ListOf<string>(PlatformName), "[]",
            "Platforms that an index, or an image under a tag, must offer.", (o, v) => o with { MustInclude = v }
        },
        {
            "onlyOs", new ListOf<string>(OsName), "(any)", "The only operating systems that images may be for.",
            (o, v) => o with { OnlyOs = v }
        },
    };

    private static readonly Section<LimitOptions> Limits = new(() => new(), CheckLimits)
    {
        { "maxTotalBytes", Bytes, "(none)", "Most bytes of config and layers of one manifest.", (o, v) => o with { MaxTotalBytes = v } },
        { "maxLayerBytes", Bytes, "(none)", "Most bytes of one layer.", (o, v) => o with { MaxLayerBytes = v } },
        { "maxLayers", Scalars.Whole(0, 100_000), "(none)", "Most layers of one manifest.", (o, v) => o with { MaxLayers = v } },
        { "maxAge", Scalars.Duration(), "(none)", "Age from which nothing is served.", (o, v) => o with { MaxAge = v } },
        {
            "minAge", Scalars.Duration(), "(none)",
            "Age that must be reached before anything is served. Asked at `proxyFetch` and `pull`.", (o, v) => o with { MinAge = v }
        },
        {
            "ageFrom", Scalars.OneOf(("firstSeen", AgeStart.FirstSeen), ("attested", AgeStart.Attested)), "firstSeen",
            "What ages count from. `firstSeen`: when this gateway first saw the manifest, or an index that names it. `attested`: the "
            + "earliest time that a log or a time stamp proves of the rule's own signatures and attestations.",
            (o, v) => o with { AgeFrom = v }
        },
    };

    private static Scalar<long> Bytes => Scalars.SizeWithin(0, (1L << 53) - 1);

    public static readonly Section<RequireOptions> Require = new(() => new(), CheckRequire)
    {
        {
            "artifactTypes", Scalars.Switch, "false",
            "The artifact type must be allowed by `policy.artifactTypes`.", (o, v) => o with { ArtifactTypes = v }
        },
        {
            "signatures", new ListOf<SignatureRequirementOptions>(EvidenceSchema.Signature), "[]",
            "Who must have signed it: each of these.", (o, v) => o with { Signatures = v }
        },
        {
            "attestations", new ListOf<AttestationRequirementOptions>(EvidenceSchema.Attestation), "[]",
            "What must be attested of it, and by whom: each of these.", (o, v) => o with { Attestations = v }
        },
        {
            "truthfulMedia",
            new ListOf<MediaClaim>(Scalars.OneOf(
                ("gzip", MediaClaim.Gzip), ("zstd", MediaClaim.Zstd), ("tar", MediaClaim.Tar), ("json", MediaClaim.Json))),
            "[]", "What of their media types the bytes of layers and configs must bear out. Reads every blob once.",
            (o, v) => o with { TruthfulMedia = v }
        },
        {
            "layerDigestCheck", Scalars.Switch, "false",
            "Each layer, unpacked, must be the one that the image's config names (`rootfs.diff_ids`). Reads every layer once.",
            (o, v) => o with { LayerDigestCheck = v }
        },
        { "platforms", Platforms, "(any)", "What an image may run on, by its config.", (o, v) => o with { Platforms = v } },
        {
            "annotations", new MapOf<TextCondition>(Scalars.Text, Condition), "{}",
            "Annotations that must be there, and what they must say.", (o, v) => o with { Annotations = v }
        },
        {
            "annotationsFrom", new ListOf<bool>(Scalars.OneOf(("manifest", true), ("configLabels", false))), "[manifest]",
            "Where `annotations` are looked for: the manifest's, the labels of the image's config. Whatever is found must be right.",
            (o, v) => o with { AnnotationsFromManifest = v.Contains(true), AnnotationsFromLabels = v.Contains(false) }
        },
        { "limits", Limits, "(none)", "Bounds of size and age.", (o, v) => o with { Limits = v } },
        {
            "tagMutability",
            Scalars.OneOf(
                ("mutable", TagMutability.Mutable),
                ("immutable", TagMutability.Immutable),
                ("monotonicSemver", TagMutability.MonotonicSemver)),
            "mutable",
            "`immutable`: a tag never moves. `monotonicSemver`: a tag that is a version never moves, another only to a version that is not "
            + "lower.",
            (o, v) => o with { TagMutability = v }
        },
    };

    private static void CheckCondition(TextCondition? condition, string path, Reading reading)
    {
        var written = new[] { "exact", "glob", "regex" }.Count(key => reading.IsWritten(Reading.Join(path, key)));
        if (written != 1) reading.Add(path, $"expected one of exact, glob and regex, got {written}");
    }

    private static void CheckPlatforms(PlatformOptions platforms, string path, Reading reading)
    {
        if (platforms.MustInclude.IsEmpty && platforms.OnlyOs.IsEmpty)
            reading.Add(path, "asks for nothing; expected mustInclude or onlyOs");
    }

    private static void CheckLimits(LimitOptions limits, string path, Reading reading)
    {
        if (limits == new LimitOptions()) reading.Add(path, "bounds nothing; expected a limit such as maxLayers: 100");
        if (limits is { AgeFrom: AgeStart.Attested, MinAge: null, MaxAge: null })
            reading.Add($"{path}.ageFrom", "says what ages count from, but no age is asked for; expected minAge or maxAge");
        if (limits.MinAge >= limits.MaxAge) reading.Add($"{path}.minAge", "is not below maxAge: nothing would ever be served");
    }

    private static void CheckRequire(RequireOptions require, string path, Reading reading)
    {
        if (reading.IsWritten($"{path}.annotationsFrom") && require.Annotations.IsEmpty)
            reading.Add($"{path}.annotationsFrom", "says where to look, but annotations asks for nothing");
        else if (!require.AnnotationsFromManifest && !require.AnnotationsFromLabels)
            reading.Add($"{path}.annotationsFrom", "names no place; expected manifest, configLabels or both");
    }

    private static bool IsPlatform(string text) => text.Split('/') is { Length: 2 or 3 } parts && parts.All(IsName);

    private static bool IsName(string text) =>
        text.Length is > 0 and <= 32 && text.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');
}
