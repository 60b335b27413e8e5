using System.Collections.Immutable;
using BitFaster.Caching.Lru;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>A repository that holds signatures of images in other repositories.</summary>
/// <param name="Written">Its name in <c>signatureRepositories</c>.</param>
/// <param name="Name">Its one name, by which rights and rules are asked.</param>
internal sealed record SignatureRepository(RepositoryName Written, RepositoryName Name, IBacking Backing);

/// <summary>
/// What a verdict rests on, read before its evidence: the versions in the image's own repository and in all signature repositories.
/// </summary>
/// <param name="Own"><see cref="IBacking.Version"/> of the image's repository.</param>
/// <param name="Elsewhere">The sum of those of all signature repositories: each only rises, so that it is equal only where all are.</param>
internal readonly record struct Basis(long Own, long Elsewhere);

/// <summary>
/// Evidence in signature repositories (docs/design/0009-signatures.md). No change of the image's repository can state what is noted in
/// another: under a policy with such repositories no verdict outlives the process, and none a change of any of them.
/// </summary>
internal sealed partial class Judge
{
    /// <summary>
    /// Most pieces of evidence that are cached as "noted as counted", about 250 bytes each. Any other is noted once more.
    /// </summary>
    private const int MostCounted = 4096;

    private readonly ConcurrentLru<(RepositoryName Repository, Digest Subject, Digest Evidence), bool> _counted = new(MostCounted);
    private Lazy<ImmutableArray<SignatureRepository>> _elsewhere = new([]);

    /// <summary>Whether the policy reads evidence in repositories beside the image's own.</summary>
    private bool ReadsElsewhere { get; } = engine.Policy?.Trust.AllSignatureRepositories().Any() == true;

    /// <summary>Says where signature repositories are. They are found when first asked for, and held as long as the policy is.</summary>
    public void FindElsewhere(Func<RepositoryName, SignatureRepository?> find) => _elsewhere = new(
        () => [.. engine.Policy?.Trust.AllSignatureRepositories().Select(find).OfType<SignatureRepository>() ?? []]);

    /// <summary>Whether images in other repositories may be admitted by what is in this one.</summary>
    public bool IsSignatureRepository(RepositoryName name) => ReadsElsewhere && _elsewhere.Value.Any(one => one.Name == name);

    /// <summary>What a verdict of now about something in this repository rests on.</summary>
    public Basis BasisOf(IBacking backing)
    {
        long elsewhere = 0;
        if (ReadsElsewhere)
        {
            foreach (var one in _elsewhere.Value) elsewhere += one.Backing.Version;
        }
        return new(backing.Version, elsewhere);
    }

    /// <summary>
    /// What is noted of a verdict of pulls with the manifest. Where signatures may lie elsewhere it is noted as one whose time is over: it
    /// is asked for again.
    /// </summary>
    public VerdictStamp Stamp(Verdict verdict) =>
        new(verdict.Revision, (byte)verdict.Outcome, ReadsElsewhere ? 1 : verdict.Until?.ToUnixTimeSeconds() ?? 0);

    /// <summary>
    /// Notes the evidence that counted where it lies: no flood of newer evidence hides it from then on. Not to be able to is no failure.
    /// </summary>
    private async ValueTask CountAsync(IBacking backing, RepositoryName name, Verdict verdict, CancellationToken cancellationToken)
    {
        if (!verdict.Admits) return;
        foreach (var seen in verdict.Evidence.Where(static e => e.Verified))
        {
            var source = seen.Repository is { } written ? _elsewhere.Value.FirstOrDefault(one => one.Written == written) : null;
            var counted = (source?.Name ?? name, seen.Subject, seen.Digest);
            if (_counted.TryGet(counted, out _)) continue;
            _counted.AddOrUpdate(counted, true);
            await (source?.Backing ?? backing).NoteAsync(
                new([new Operation.AddEvidence(seen.Subject, seen.Digest) { Counted = true }])
                {
                    Needs = [(LinkKind.Manifest, seen.Digest)],
                },
                cancellationToken);
        }
    }
}
