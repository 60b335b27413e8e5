using System.Collections.Immutable;
using System.Globalization;
using Gateway.Policy;

namespace Gateway.Configuration;

/// <summary>One item of <c>policy.exceptions</c>. An exception without an end, or for everything, would stay forever.</summary>
internal static class ExceptionSchema
{
    /// <summary>Maximum remaining time of an exception, in days (docs/policy.md, "Exceptions").</summary>
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
        { "rule", Scalars.Text, new Required(), "The rule that is not enforced.", (o, v) => o with { Rule = v } },
        { "repos", new ListOf<string>(Scalars.Glob), new Required(), "Repositories, as patterns.", (o, v) => o with { Repositories = v } },
        {
            "digests", new ListOf<Digest>(DigestText), "(all of these repositories)",
            "Digests of manifests: an index, or a manifest below it.", (o, v) => o with { Digests = v }
        },
        {
            "until", Moment, new Required(),
            "When the rule applies again: at most 90 days from now. An exception in the past has no effect.",
            (o, v) => o with { Until = v }
        },
        { "by", Scalars.Text, new Required(), "The person responsible for it.", (o, v) => o with { By = v } },
        { "reason", Scalars.Text, new Required(), "The reason.", (o, v) => o with { Reason = v } },
    };

    private static void Check(ExceptionOptions exception, string path, Reading reading)
    {
        if (exception.Until > DateTimeOffset.UtcNow.AddDays(MaxDays))
            reading.Add($"{path}.until", $"expected at most {MaxDays} days from now; write an earlier day, and renew the exception later");
        if (exception.Repositories.IsEmpty) reading.Add($"{path}.repos", "expected at least one repository, got none");
        if (exception.Digests.IsEmpty && exception.Repositories.FirstOrDefault(IsEverything) is { } wide)
            reading.Add($"{path}.repos", $"'{wide}' matches every repository; list single repositories, or add digests");
    }

    private static bool IsEverything(string pattern) => pattern.AsSpan().Trim("*/").IsEmpty;
}
