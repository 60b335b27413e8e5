using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// One repository as its askers see it: the gate. The only thing that handlers can name; who sees what is decided here and nowhere else.
/// A file for each flow: pull, push, evidence, waiting tags, removal, blobs, lists, promotion.
/// </summary>
internal sealed partial class Repository(
    RepositoryName name, IBacking backing, Judge judge, Volume volume, RecentBlobs recent, bool takesPushes, TimeProvider clock)
{
    private readonly BlobAdmission _admission = new(name, backing, judge, clock);

    /// <summary>The name that clients use.</summary>
    public RepositoryName Name { get; } = name;

    /// <summary>
    /// Whether the asker sees what waits. An open gateway knows nobody, so there nobody is exempt (docs/design/0004-gate.md).
    /// </summary>
    private bool IsKnownPusher(Asker asker) => takesPushes && asker.MayPush && asker.Actor != Asker.Anonymous;

    /// <summary>
    /// The rights are asked at the door already; here no handler can forget to (CVE-2026-41888: a switch that one verb did not ask).
    /// </summary>
    private Answer<T>? RefuseChange<T>(Asker asker, AccessActions needs)
    {
        if (!takesPushes) return NoPushes<T>();
        return asker.Rights.HasFlag(needs)
            ? null
            : new Answer<T>.Invalid(RegistryErrorCode.DENIED, $"{asker.Actor} may not {needs} in {Name}");
    }

    private Answer<T> NoPushes<T>() => new Answer<T>.Invalid(
        RegistryErrorCode.UNSUPPORTED,
        $"{Name} is pulled through from an upstream and takes no pushes; push to a repository of built-in storage", Status: 405);

    /// <summary>A write that the volume cannot take now is a push to try again later.</summary>
    private static async ValueTask<Answer<T>> WriteAsync<T>(Func<ValueTask<Answer<T>>> write)
    {
        try
        {
            return await write();
        }
        catch (StoreReadOnlyException e)
        {
            return new Answer<T>.Unavailable(TimeSpan.FromSeconds(RetrySeconds), e.Message, Provenance.Local);
        }
    }

    /// <summary>
    /// When a push that found the volume full is worth another try: clients give up after a few, and an operator needs longer than that
    /// anyway.
    /// </summary>
    private const int RetrySeconds = 10;
}
