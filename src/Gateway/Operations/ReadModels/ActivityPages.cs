using Gateway.PullThrough;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What the gateway does now, and what was done lately.</summary>
/// <param name="Fetches">The fetches under way, the oldest first.</param>
/// <param name="Requests">Requests of registry clients in each of the last 60 seconds, the oldest first.</param>
/// <param name="Pushes">The upload sessions that were used last, the latest first.</param>
/// <param name="Uploads">Number of upload sessions that are open.</param>
/// <param name="Audit">The latest lines of the audit log that match, the latest first.</param>
/// <param name="HasAudit">Whether there is an audit log.</param>
public sealed record ActivityPage(
    IReadOnlyList<int> Requests, IReadOnlyList<FetchRow> Fetches, IReadOnlyList<PushRow> Pushes, int Uploads, IReadOnlyList<AuditRow> Audit,
    bool HasAudit, string? Event, string? Actor);

/// <param name="Length">Bytes of the content; null when the upstream has not said it.</param>
/// <param name="Position">Bytes that were received and checked.</param>
/// <param name="Rate">Bytes per second since it began; null in its first second.</param>
/// <param name="Readers">Clients that follow it.</param>
public sealed record FetchRow(
    string Digest, string Upstream, string Repository, long? Length, long Position, long? Rate, int Readers, DateTimeOffset Since);

/// <summary>An upload that is open: a client pushes a blob, or paused.</summary>
/// <param name="Position">Bytes that were received.</param>
/// <param name="Rate">Bytes per second from its begin to its last use; null in its first second.</param>
public sealed record PushRow(
    string Repository, string Actor, long Position, long? Rate, DateTimeOffset Since, DateTimeOffset LastUse);

/// <summary>A line of the audit log.</summary>
public sealed record AuditRow(
    DateTimeOffset Time, string Event, string Outcome, string? Actor, string? Repository, string? Reference, string? Detail);

/// <summary>Makes the page of activity.</summary>
internal sealed class ActivityPages(
    FetchTable fetches, Uploads uploads, StoredGates gates, RequestMetrics requests, AuditLog audit, TimeProvider clock)
{
    private const int MostFetches = 100;
    private const int MostLines = 100;
    private const int MostPushes = 50;

    /// <param name="name">Only this event of the audit log; null for all.</param>
    /// <param name="actor">Only this account; null for all.</param>
    public ActivityPage Read(string? name, string? actor)
    {
        var now = clock.GetUtcNow();
        return new(
            requests.Pulse.LastMinute(),
            [.. fetches.All().OrderBy(static f => f.Since).Take(MostFetches).Select(fetch => RowOf(fetch, now))],
            [.. uploads.Latest(MostPushes).Select(push => RowOf(push, now))], uploads.Count,
            [
                .. audit.Recent().Where(line => (name is null || line.Event == name) && (actor is null || line.Actor == actor))
                    .Take(MostLines).Select(static line => new AuditRow(
                        line.Time, line.Event, line.Outcome, line.Actor, line.Repository, line.Reference ?? line.Digest, line.Detail)),
            ],
            audit.IsOn, name, actor);
    }

    private PushRow RowOf(OpenUpload push, DateTimeOffset now)
    {
        var span = now - push.Since;
        var name = StoredRepositories.StagedPlace(push.Repository) is { Folder: var folder, Own: var own }
            ? gates.Router.NameOf(folder, own) : push.Repository;
        return new(
            name, push.Actor, push.Length, span < TimeSpan.FromSeconds(1) ? null : (long)(push.Length / span.TotalSeconds), push.Since,
            push.LastUse);
    }

    private static FetchRow RowOf(BlobFetch fetch, DateTimeOffset now)
    {
        var (part, source, span) = (fetch.Part, fetch.Sources.Current, now - fetch.Since);
        return new(
            fetch.Digest.ToString(), source.Key, source.Name.Value, part.Length, part.Readable,
            span < TimeSpan.FromSeconds(1) ? null : (long)(part.Readable / span.TotalSeconds), fetch.Readers, fetch.Since);
    }
}
