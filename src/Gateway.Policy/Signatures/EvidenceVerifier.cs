namespace Gateway.Policy.Signatures;

/// <summary>
/// Decides whether the evidence about one subject satisfies one requirement, and explains for each signature why it does not count. Pure
/// except for the time passed in; safe for concurrent use.
/// </summary>
internal sealed class EvidenceVerifier(TrustOptions trust)
{
    // From the nearest to a counting signature to the least specific.
    private static readonly string[] MostTelling =
    [
        ReasonCodes.EvidenceBudget, ReasonCodes.AttPredicateFailed, ReasonCodes.SigWrongReference, ReasonCodes.SigKeyRevoked,
        ReasonCodes.SigKeyRetired, ReasonCodes.SigTimeInvalid, ReasonCodes.SigTlogInvalid, ReasonCodes.TrustStale,
        ReasonCodes.SigWrongPredicate, ReasonCodes.SigWrongDigest, ReasonCodes.SigNoTrusted, ReasonCodes.SigBad,
    ];

    private readonly SignatureVerifier _verifier = new(trust);

    /// <summary>How many signatures were verified: one for each signature and authority of an evaluation.</summary>
    public long Verified => _verifier.Verified;

    /// <summary>Whether enough signers of the authority signed the subject.</summary>
    /// <param name="requirement">The requirement; its authority is one of the trust's.</param>
    /// <param name="repository">The repository that serves the manifest.</param>
    /// <param name="all">Whether every signature is checked, even when there are enough.</param>
    /// <param name="cancellation">Cancels the evaluation: the caller's <see cref="EvidenceBudget.MaxTime"/>.</param>
    public EvidenceCheck Signatures(
        SignatureRequirementOptions requirement, Digest subject, RepositoryName repository, EvidenceSet evidence, DateTimeOffset now,
        bool all = false, CancellationToken cancellation = default)
    {
        var authority = trust.Authorities[requirement.Authority];
        return Ask(new("signature", ReasonCodes.SigNone, authority, requirement.AtLeast, all), evidence, Check, cancellation);

        Checked? Check(SignatureMaterial material)
        {
            if (!requirement.Formats.IsEmpty && !requirement.Formats.Contains(material.Format))
                return Checked.Untrusted(
                    ReasonCodes.SigNoTrusted, $"stored as {Name(material.Format)}, which the rule's formats leave out");
            var made = evidence.Verified.Of(_verifier, authority, material, now);
            return made.IsTrusted ? Claim.ProblemOf(material.Claims, subject, requirement.BindReference, repository) ?? made : made;
        }
    }

    /// <summary>
    /// Whether enough signers of the authority attested what is required about the subject. Parameters as for <see cref="Signatures"/>.
    /// </summary>
    public EvidenceCheck Attestations(
        AttestationRequirementOptions requirement, Digest subject, EvidenceSet evidence, DateTimeOffset now,
        bool all = false, CancellationToken cancellation = default)
    {
        var authority = trust.Authorities[requirement.Authority];
        var wanted = new Wanted($"attestation {requirement.PredicateType}", ReasonCodes.AttNone, authority, requirement.AtLeast, all);
        string? other = null;
        var check = Ask(wanted, evidence, Check, cancellation);
        return check.Code == ReasonCodes.AttNone && other is not null
            ? check with { Why = Printable.Line($"{check.Why}; there is one of {Printable.Quote(other)}") }
            : check;

        Checked? Check(SignatureMaterial material)
        {
            if (material.Claims is not Claims.Statement statement) return null;
            if (statement.PredicateType != requirement.PredicateType)
            {
                if (statement.PredicateType != EvidenceTypes.SignPredicate) other ??= statement.PredicateType;
                return null;
            }
            var made = evidence.Verified.Of(_verifier, authority, material, now);
            return made.IsTrusted ? Claim.ProblemOf(statement, subject, requirement.Where) ?? made : made;
        }
    }

    // The requirement: its name, the code for no evidence, the authority, the number of signers, and whether to check signatures beyond
    // that.
    private sealed record Wanted(string What, string None, AuthorityOptions Authority, int AtLeast, bool All);

    private static EvidenceCheck Ask(
        Wanted wanted, EvidenceSet evidence, Func<SignatureMaterial, Checked?> check, CancellationToken cancellation)
    {
        var findings = ImmutableArray.CreateBuilder<EvidenceFinding>();
        var signers = new HashSet<string>(StringComparer.Ordinal);
        string? why = null;
        evidence = evidence.For(wanted.Authority);
        foreach (var found in evidence.Found.TakeWhile(_ => !cancellation.IsCancellationRequested))
        {
            if ((found.Problem ?? check(found.Material!)) is not { } result) continue;
            findings.Add(new(found.Evidence, found.Layer, found.Material?.Format, result) { Repository = found.Repository });
            if (result.Signer is not { } signer || !signers.Add(signer) || signers.Count != wanted.AtLeast) continue;
            why = Printable.Line($"{wanted.What} by {wanted.Authority.Id}: {result.Why}");
            if (!wanted.All) return new(null, why, findings.ToImmutable());
        }
        var isCut = evidence.IsTruncated || cancellation.IsCancellationRequested;
        var all = why is null ? Missing(wanted, signers.Count, findings.ToImmutable(), isCut) : new(null, why, findings.ToImmutable());
        return all with { IsCut = isCut };
    }

    private static EvidenceCheck Missing(Wanted wanted, int have, ImmutableArray<EvidenceFinding> findings, bool isCut)
    {
        var (what, none, authority, need, _) = wanted;
        var missing = need == 1 ? $"no {what} by {authority.Id}" : $"{have} of {need} signers of {authority.Id} for {what}";
        if (isCut)
            return Result(ReasonCodes.EvidenceBudget, $"{missing} in the evidence that was read; the budget is exhausted");
        var telling = findings.Where(static f => !f.Result.IsTrusted).MinBy(static f => Array.IndexOf(MostTelling, f.Result.Code));
        if (telling is null) return Result(have > 0 ? ReasonCodes.SigNoTrusted : none, missing);
        return Result(CodeOf(telling, findings), $"{missing}; seen in {telling.Evidence.ToString()[..19]}: {telling.Result.Why}");

        EvidenceCheck Result(string code, string why) => new(code, Printable.Line(why), findings);
    }

    // If none verifies, no trusted signer signed, unless no signature could be read.
    private static string CodeOf(EvidenceFinding telling, ImmutableArray<EvidenceFinding> findings) =>
        telling.Result.Code == ReasonCodes.SigBad && findings.Any(static f => f.Format is not null)
            ? ReasonCodes.SigNoTrusted
            : telling.Result.Code!;

    /// <summary>A format by its name in rules.</summary>
    internal static string Name(SignatureFormat format) => format switch
    {
        SignatureFormat.Legacy => "legacy",
        SignatureFormat.Bundle => "bundle",
        SignatureFormat.Notation => "notation",
        _ => "referrer-legacy",
    };
}
