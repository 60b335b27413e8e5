namespace Gateway.Policy;

/// <summary>The result of one rule: its verdict, and what the verdict of the whole policy needs from it.</summary>
/// <param name="Exceptions">The ids of the exceptions that changed its outcome.</param>
/// <param name="Until">The earliest time that could change it.</param>
/// <param name="CouldBeMended">Whether every finding that refuses is missing evidence or age.</param>
internal sealed record RuleEvaluation(
    RuleVerdict Verdict,
    ImmutableArray<EvidenceSeen> Evidence,
    ImmutableArray<string> Exceptions,
    DateTimeOffset? Until,
    bool CouldBeMended)
{
    /// <summary>Why it is unknown whether the rule refuses; null when it is known.</summary>
    public string? Unknown { get; init; }

    /// <summary>Evaluates a rule.</summary>
    public static RuleEvaluation Of(Rule rule, PolicyInput input, EvidenceSets sets, ImmutableArray<ExceptionOptions> exceptions)
    {
        Evaluation[] evaluations = [.. rule.Evaluate(input, sets)];
        var findings = evaluations.SelectMany(static e => e.IsAsked ? e.Findings : e.Findings.Select(f => f.AtChild(e.Digest)));
        var outcomes = findings.Select(finding => FindingOutcome.Of(finding, rule.Options, input, exceptions)).ToArray();
        var excepted = outcomes.Select(static o => o.Exception).OfType<ExceptionOptions>().Distinct().ToArray();
        Reason[] reasons = [.. outcomes.Select(o => o.ToReason(rule.Options, input))];
        var verdict = new RuleVerdict(
            rule.Options.Id,
            RuleMatch.Describe(rule.Options, input),
            outcomes.Select(static o => o.Enforced).DefaultIfEmpty(Outcome.Allow).Max(),
            outcomes.Select(static o => o.Effective).DefaultIfEmpty(Outcome.Allow).Max(),
            [.. reasons],
            outcomes.Length == 0 ? "" : outcomes[0].Fix(rule.Options, input))
        {
            Ages = [.. evaluations.SelectMany(static e => e.Ages).Take(PolicyEngine.MaxReasons)],
        };
        return new(
            verdict, [.. evaluations.SelectMany(static e => e.Evidence)], [.. excepted.Select(static e => e.Id)],
            evaluations.Select(static e => e.Until).Concat(excepted.Select(static e => (DateTimeOffset?)e.Until)).Min(),
            outcomes.Where(static o => o.Effective > Outcome.Warn).All(static o => o.Finding.IsMissing))
        {
            Unknown = outcomes.Where(static o => o.Effective > Outcome.Warn).All(static o => o.Finding.Unknown is not null)
                ? outcomes.FirstOrDefault(static o => o.Effective > Outcome.Warn)?.Finding.Unknown
                : null,
        };
    }

    /// <summary>The refusal by the policy's default, in the form of a rule.</summary>
    public static RuleEvaluation OfDefault(Finding finding)
    {
        var outcome = new FindingOutcome(finding, Outcome.Deny, Outcome.Deny, null, null);
        var rule = new RuleOptions { Id = "default" };
        return new(
            new(rule.Id, "nothing", Outcome.Deny, Outcome.Deny, [outcome.ToReason(rule, null)], finding.Fix), [], [], null, false);
    }

    private sealed record FindingOutcome(
        Finding Finding, Outcome Enforced, Outcome Effective, ExceptionOptions? Exception, ExceptionOptions? Ended)
    {
        // A pusher whose exception ended does not know that there was one.
        private string EndedText => Ended is null ? "" : $"; exception '{Ended.Id}' ended {Moments.Text(Ended.Until)}";

        public static FindingOutcome Of(Finding finding, RuleOptions rule, PolicyInput input, ImmutableArray<ExceptionOptions> exceptions)
        {
            var enforced = finding.IsMissing
                ? rule.OnMissing switch
                {
                    OnMissing.Quarantine => Outcome.Quarantine,
                    OnMissing.Warn => Outcome.Warn,
                    _ => Outcome.Deny,
                }
                : Outcome.Deny;
            var written = exceptions.Where(e => Covers(e, finding, rule, input)).ToArray();
            var exception = written.FirstOrDefault(e => input.Now < e.Until);
            var cap = exception is not null ? Outcome.Allow : rule.Mode switch
            {
                RuleMode.Enforce => Outcome.Deny,
                RuleMode.Warn => Outcome.Warn,
                _ => Outcome.Allow,
            };
            var ended = exception is null ? written.MaxBy(e => e.Until) : null;
            return new(finding, enforced, enforced < cap ? enforced : cap, exception, ended);
        }

        public Reason ToReason(RuleOptions rule, PolicyInput? input) => new(
            rule.Id, Finding.Code,
            Printable.Line($"policy rule '{rule.Id}': {Finding.What}{EndedText}; {Fix(rule, input)}", PolicyEngine.MaxMessage), Effective)
        {
            Path = Printable.Line(Finding.Path),
            Expected = Printable.Line(Finding.Expected),
            Found = Printable.Line(Finding.Found),
        };

        public string Fix(RuleOptions rule, PolicyInput? input) => rule.Fix is null || input is null ? Finding.Fix : "fix: " + rule.Fix
            .Replace("{repo}", input.Repository.Value, StringComparison.Ordinal)
            .Replace("{digest}", input.Digest.ToString(), StringComparison.Ordinal);

        private static bool Covers(ExceptionOptions exception, Finding finding, RuleOptions rule, PolicyInput input) =>
            exception.Rule == rule.Id
            && Glob.IsMatch(exception.Repositories, input.Repository.Value)
            && (exception.Digests.IsEmpty || exception.Digests.Contains(input.Digest) || exception.Digests.Contains(finding.Child)
                || input.Facts.Above.Any(index => exception.Digests.Contains(index.Digest)));
    }
}
