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
        { "exact", Scalars.Text, "(none)", "Exactly this text.", (_, v) => new(TextComparison.Exact, v) },
        {
            "glob", Scalars.Text, "(none)", "A pattern over the whole text: `*` for anything but `/`, `**` for anything.",
            (_, v) => new(TextComparison.Glob, v)
        },
        {
            "regex", Regex, "(none)", "A regular expression over the whole text, without look-arounds and back-references.",
            (_, v) => new(TextComparison.Regex, v)
        },
    };

    /// <summary>Condition on a text: the text itself, or <c>{ glob: … }</c> or <c>{ regex: … }</c>.</summary>
    public static readonly SettingType<TextCondition> Condition = new Converted<TextCondition?, TextCondition>(
        new Either<TextCondition?>(
            new Scalar<TextCondition?>("a text", static (text, _) => new TextCondition(TextComparison.Exact, text)), Comparison),
        static condition => condition ?? Parsed<TextCondition>.Not("expected one of exact, glob and regex"));

    private static readonly Scalar<string> PlatformName = Scalars.Matching(
        "a platform such as linux/amd64 or linux/arm/v7", text => IsPlatform(text));

    private static readonly Scalar<string> OsName = Scalars.Matching("an operating system such as linux", text => IsName(text));

    private static readonly Section<PlatformOptions> Platforms = new(() => new(), CheckPlatforms)
    {
        {
            "mustInclude", new ListOf<string>(PlatformName), "[]",
            "Platforms that an index, or an image with a tag, must offer.", (o, v) => o with { MustInclude = v }
        },
        {
            "onlyOs", new ListOf<string>(OsName), "(any)", "Allowed operating systems of images.",
            (o, v) => o with { OnlyOs = v }
        },
    };

    private static readonly Section<LimitOptions> Limits = new(() => new(), CheckLimits)
    {
        { "maxTotalBytes", Bytes, "(none)", "Maximum bytes of config and layers of one manifest.", (o, v) => o with { MaxTotalBytes = v } },
        { "maxLayerBytes", Bytes, "(none)", "Maximum bytes of one layer.", (o, v) => o with { MaxLayerBytes = v } },
        { "maxLayers", Scalars.Whole(0, 100_000), "(none)", "Maximum layers of one manifest.", (o, v) => o with { MaxLayers = v } },
        { "maxAge", Scalars.Duration(), "(none)", "Age at which content is no longer served.", (o, v) => o with { MaxAge = v } },
        {
            "minAge", Scalars.Duration(), "(none)",
            "Age at which content is first served. Applies at `proxyFetch` and `pull`.", (o, v) => o with { MinAge = v }
        },
        {
            "ageFrom", Scalars.OneOf(("firstSeen", AgeStart.FirstSeen), ("attested", AgeStart.Attested)), "firstSeen",
            "Start of ages. `firstSeen`: when this gateway first saw the manifest, or an index that names it. `attested`: the "
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
            "Required signatures: all of these.", (o, v) => o with { Signatures = v }
        },
        {
            "attestations", new ListOf<AttestationRequirementOptions>(EvidenceSchema.Attestation), "[]",
            "Required attestations and their signers: all of these.", (o, v) => o with { Attestations = v }
        },
        {
            "truthfulMedia",
            new ListOf<MediaClaim>(Scalars.OneOf(
                ("gzip", MediaClaim.Gzip), ("zstd", MediaClaim.Zstd), ("tar", MediaClaim.Tar), ("json", MediaClaim.Json))),
            "[]", "Parts of the media types that the bytes of layers and configs must match. Reads every blob once.",
            (o, v) => o with { TruthfulMedia = v }
        },
        {
            "layerDigestCheck", Scalars.Switch, "false",
            "Each layer, unpacked, must be the one that the image's config names (`rootfs.diff_ids`). Reads every layer once.",
            (o, v) => o with { LayerDigestCheck = v }
        },
        { "platforms", Platforms, "(any)", "Platforms of an image, by its config.", (o, v) => o with { Platforms = v } },
        {
            "annotations", new MapOf<TextCondition>(Scalars.Text, Condition), "{}",
            "Required annotations and their values.", (o, v) => o with { Annotations = v }
        },
        {
            "annotationsFrom", new ListOf<bool>(Scalars.OneOf(("manifest", true), ("configLabels", false))), "[manifest]",
            "Where to look for `annotations`: in the manifest, in the labels of the image's config. Every value found must match.",
            (o, v) => o with { AnnotationsFromManifest = v.Contains(true), AnnotationsFromLabels = v.Contains(false) }
        },
        { "limits", Limits, "(none)", "Limits of size and age.", (o, v) => o with { Limits = v } },
        {
            "tagMutability",
            Scalars.OneOf(
                ("mutable", TagMutability.Mutable),
                ("immutable", TagMutability.Immutable),
                ("monotonicSemver", TagMutability.MonotonicSemver)),
            "mutable",
            "`immutable`: a tag never moves. `monotonicSemver`: a version tag never moves, other tags only to a version that is not "
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
            reading.Add(path, "expected mustInclude or onlyOs, got neither");
    }

    private static void CheckLimits(LimitOptions limits, string path, Reading reading)
    {
        if (limits == new LimitOptions()) reading.Add(path, "expected a limit such as maxLayers: 100, got none");
        if (limits is { AgeFrom: AgeStart.Attested, MinAge: null, MaxAge: null })
            reading.Add($"{path}.ageFrom", "has no effect without an age; add minAge or maxAge");
        if (limits.MinAge >= limits.MaxAge) reading.Add($"{path}.minAge", "expected less than maxAge; otherwise nothing is ever served");
    }

    private static void CheckRequire(RequireOptions require, string path, Reading reading)
    {
        if (reading.IsWritten($"{path}.annotationsFrom") && require.Annotations.IsEmpty)
            reading.Add($"{path}.annotationsFrom", "has no effect without annotations; add annotations");
        else if (!require.AnnotationsFromManifest && !require.AnnotationsFromLabels)
            reading.Add($"{path}.annotationsFrom", "expected manifest, configLabels or both, got neither");
    }

    private static bool IsPlatform(string text) => text.Split('/') is { Length: 2 or 3 } parts && parts.All(IsName);

    private static bool IsName(string text) =>
        text.Length is > 0 and <= 32 && text.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');
}
