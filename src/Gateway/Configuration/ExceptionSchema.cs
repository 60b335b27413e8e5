using System.Collections.Immutable;
using System.Globalization;
using Gateway.Oci;
using Gateway.Policy;

namespace Gateway.Configuration;

/// <summary>One item of <c>policy.exceptions</c>. An exception without an end, or for everything, is a hole that nobody closes.</summary>
internal static class ExceptionSchema
{
    /// <summary>Longest time that an exception may still have (docs/policy.md, "Exceptions").</summary>
    private const int MaxDays = 90;

    /// <summary>A day in UTC, or a moment with its offset (RFC 3339).</summary>
    public static readonly Scalar<DateTimeOffset> Moment = new(
        "a day such as 2026-12-31 (from 0:00 UTC), or a moment such as 2026-12-31T18:00:00Z",
        static (text, _) => DateTimeOffset.TryParseExact(
            text, ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:sszzz", "yyyy-MM-dd'T'HH:mm:ss'Z'"], CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal, out var moment) ? moment.ToUniversalTime() : Parsed<DateTimeOffset>.Not());

    private static readonly Scalar<Digest> DigestText = new(
        "a digest, sha256: with 64 hex characters",
        static (text, _) => Digest.TryParse(text, out var digest) ? digest : Parsed<Digest>.Not());

    public static readonly Section<ExceptionOptions> Exception = new(
        () => new() { Id = "", Rule = "", Repositories = [], Until = default, By = "", Reason = "" }, Check)
    {
        { "id", Scalars.Text, new Required(), "The exception's name in decisions.", (o, v) => o with { Id = v } },
        { "rule", Scalars.Text, new Required(), "The rule that it lifts.", (o, v) => o with { Rule = v } },
        { "repos", new ListOf<string>(Scalars.Glob), new Required(), "Repositories, as patterns.", (o, v) => o with { Repositories = v } },
        {
            "digests", new ListOf<Digest>(DigestText), "(all of these repositories)",
            "Manifests; an index, or one below it.", (o, v) => o with { Digests = v }
        },
        {
            "until", Moment, new Required(), "When the rule holds again: at most 90 days from now. One that has passed lifts nothing.",
            (o, v) => o with { Until = v }
        },
        { "by", Scalars.Text, new Required(), "Who answers for it.", (o, v) => o with { By = v } },
        { "reason", Scalars.Text, new Required(), "Why.", (o, v) => o with { Reason = v } },
    };

    private static void Check(ExceptionOptions exception, string path, Reading reading)
    {
        if (exception.Until > DateTimeOffset.UtcNow.AddDays(MaxDays))
            reading.Add($"{path}.until", $"is more than {MaxDays} days away; renew an exception rather than forget it");
        if (exception.Repositories.IsEmpty) reading.Add($"{path}.repos", "names no repository");
        if (exception.Digests.IsEmpty && exception.Repositories.FirstOrDefault(IsEverything) is { } wide)
            reading.Add($"{path}.repos", $"'{wide}' is every repository; name some, or the digests that it is about");
    }

    private static bool IsEverything(string pattern) => pattern.AsSpan().Trim("*/").IsEmpty;
}
