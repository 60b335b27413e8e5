using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>Whether a manifest is signed, by the policy in force.</summary>
/// <param name="State">
/// <c>verified</c>: a signature counts. <c>untrusted</c>: there are signatures, and none counts. <c>missing</c>: a rule requires a
/// signature and there is none. <c>unchecked</c>: there are signatures, and no rule reads them. <c>notRequired</c>: there is none, and no
/// rule requires one. <c>unknown</c>: something could not be read now.
/// </param>
/// <param name="Text">One sentence.</param>
/// <param name="Authorities">The authorities of the policy whose signatures count.</param>
public sealed record SignatureState(string State, string Text, IReadOnlyList<string> Authorities);

/// <summary>Reads the state of signatures from a verdict and from the evidence that is stored.</summary>
internal static class SignatureStates
{
    // Manifests of evidence that are looked at to find out whether one is a signature.
    private const int MostLookedAt = 8;

    // The findings that a signature would end.
    private static readonly HashSet<string> Missing =
        [ReasonCodes.SigNone, ReasonCodes.SigNoTrusted, ReasonCodes.CoverageChildUnsigned, ReasonCodes.EvidenceBudget];

    /// <summary>The state of one manifest.</summary>
    public static async ValueTask<SignatureState> OfAsync(
        Inspection inspection, Digest subject, Verdict verdict, CancellationToken cancellationToken)
    {
        var signatures = verdict.Evidence.Where(static e => e.Kind == "signature").ToArray();
        string[] authorities = [.. signatures.Where(static e => e.Verified).Select(static e => e.Authority ?? "").Distinct().Order()];
        if (authorities.Length > 0)
            return new("verified", $"Verified: signed by {string.Join(", ", authorities)}", authorities);
        if (verdict.Unknown is { } unknown) return new("unknown", unknown, []);
        var finding = verdict.Rules.SelectMany(static rule => rule.Reasons)
            .FirstOrDefault(static reason => Missing.Contains(reason.Code) || reason.Code.StartsWith("SIG_", StringComparison.Ordinal));
        if (signatures.FirstOrDefault() is { } seen) return new("untrusted", $"Signed, but not trusted: {seen.Why}", []);
        var isPresent = await HasSignatureAsync(inspection, subject, cancellationToken);
        if (finding is not null)
            return isPresent
                ? new("untrusted", $"Signed, but not trusted: {finding.Message}", [])
                : new("missing", finding.Message, []);
        return isPresent
            ? new("unchecked", "Signed; no rule checks the signature", [])
            : new("notRequired", "Not signed; no rule requires a signature", []);
    }

    private static async ValueTask<bool> HasSignatureAsync(Inspection inspection, Digest subject, CancellationToken cancellationToken)
    {
        foreach (var digest in (await inspection.EvidenceAsync(subject, cancellationToken)).Take(MostLookedAt))
        {
            if (await inspection.ReadAsync(digest, cancellationToken) is { } evidence
                && ContentKinds.Of(evidence.Manifest).Key == "signature")
                return true;
        }
        return false;
    }
}
