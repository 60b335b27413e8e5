using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// What a verdict rests on, read before its evidence: the versions of the image's own repository and of all signature repositories.
/// </summary>
/// <param name="Own"><see cref="IRepositoryEvidence.Version"/> of the image's repository.</param>
/// <param name="Elsewhere">
/// The sum of the versions of all signature repositories. Versions only increase, so the sum is equal only when all are equal.
/// </param>
internal readonly record struct Basis(long Own, long Elsewhere);

/// <summary>
/// Evidence in signature repositories (docs/design/0009-signatures.md). A change of the image's repository cannot expect a version of
/// another repository. With signature repositories, no verdict therefore outlives the process, or a change of any signature repository.
/// </summary>
internal sealed partial class Evaluator
{
    /// <summary>Whether evidence in this repository may admit images in other repositories.</summary>
    public bool IsSignatureRepository => shared.Elsewhere.Any(one => one.Name == name);

    /// <summary>What a verdict made now about something in this repository rests on.</summary>
    public Basis CurrentBasis() =>
        new(backing.Version, shared.ReadsElsewhere ? shared.Elsewhere.Sum(static one => one.Backing.Version) : 0);

    /// <summary>
    /// Reads again what other gateways may have changed in this repository and in all signature repositories, before a client is refused.
    /// </summary>
    public async ValueTask<CaughtUp> CatchUpAsync(CancellationToken cancellationToken)
    {
        var all = await backing.CatchUpAsync(cancellationToken);
        foreach (var one in shared.Elsewhere)
        {
            var there = await one.Backing.CatchUpAsync(cancellationToken);
            all = new(all.IsRead || there.IsRead, all.Unknown ?? there.Unknown);
        }
        return all;
    }

    /// <summary>The verdict about what is not known, because what other gateways have changed could not be read.</summary>
    public Verdict InDoubt(string why) => Deny(ReasonCodes.EvidenceUnavailable, why) with { Unknown = why };

    /// <summary>
    /// The pull verdict that is noted with a manifest. With signature repositories it is noted as expired, so that the next process
    /// evaluates the manifest again.
    /// </summary>
    public VerdictStamp Stamp(Verdict verdict) =>
        new(verdict.Revision, (byte)verdict.Outcome, shared.ReadsElsewhere ? 1 : verdict.Until?.ToUnixTimeSeconds() ?? 0);

    /// <summary>
    /// Notes in its repository that evidence has counted, so that newer evidence cannot hide it. A note that cannot be stored is not an
    /// error.
    /// </summary>
    private async ValueTask CountAsync(Verdict verdict, CancellationToken cancellationToken)
    {
        if (!verdict.Admits) return;
        foreach (var seen in verdict.Evidence.Where(static e => e.Verified))
        {
            var source = seen.Repository is { } written ? shared.Elsewhere.FirstOrDefault(one => one.Written == written) : null;
            var counted = (source?.Name ?? name, seen.Subject, seen.Digest);
            if (shared.Counted.TryGet(counted, out _)) continue;
            shared.Counted.AddOrUpdate(counted, true);
            await (source?.Backing ?? backing).NoteAsync(
                new([new Operation.AddEvidence(seen.Subject, seen.Digest) { Counted = true }])
                {
                    Needs = [(LinkKind.Manifest, seen.Digest)],
                },
                cancellationToken);
        }
    }
}
