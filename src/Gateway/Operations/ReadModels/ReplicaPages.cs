using System.Text.Json;
using Gateway.Configuration;
using Gateway.Replicas;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Operations.ReadModels;

/// <summary>The replicas of the set, as this one knows them.</summary>
/// <param name="IsAlone">Whether this gateway has no <c>replicas</c>; then everything else is empty.</param>
/// <param name="Members">This replica first, then the others by address.</param>
/// <param name="Redis">Null without Redis.</param>
/// <param name="Fetches">The fetches under way here, the oldest first.</param>
/// <param name="Unconfirmed">Purges that were told here and that a replica has not confirmed, the oldest first.</param>
/// <param name="Upstreams">What other replicas say of the upstreams.</param>
/// <param name="Problems">What keeps the replicas from acting as one.</param>
public sealed record ReplicaPage(
    bool IsAlone, IReadOnlyList<MemberRow> Members, RedisState? Redis, IReadOnlyList<SharedFetchRow> Fetches,
    IReadOnlyList<UnconfirmedRow> Unconfirmed, IReadOnlyList<SharedUpstreamRow> Upstreams, IReadOnlyList<string> Problems)
{
    /// <summary>The bucket that has pushed content; null without one. Gateways that share a bucket do not know each other.</summary>
    public BucketRow? Bucket { get; init; }
}

/// <summary>The bucket, as this gateway reaches it.</summary>
/// <param name="Store">The address of the store, or AWS in a region.</param>
/// <param name="Problem">Why it was not read last; null while it is.</param>
/// <param name="Answered">Requests that the store answered as it should, since the start.</param>
/// <param name="Failed">Those that it refused or did not answer, each attempt counted.</param>
public sealed record BucketRow(string Bucket, string Store, string? Problem, long Answered, long Failed);

/// <summary>A replica. What only the replica itself can know is null if it does not say it.</summary>
/// <param name="IsReachable">Whether it beats in Redis and accepts connections, as far as this replica knows.</param>
/// <param name="Policy">The revision of its policy; <c>none</c> without one.</param>
/// <param name="ClockSkew">Seconds by which its clock is before that of Redis.</param>
/// <param name="NewsLag">Seconds since it had carried out all purges of the others.</param>
/// <param name="RedisTime">Seconds until Redis last answered it.</param>
/// <param name="Unconfirmed">Purges that were told there and are not confirmed by all.</param>
/// <param name="Leads">Some of the fetches that it leads.</param>
public sealed record MemberRow(
    string Url, bool IsSelf, bool IsReachable, string? Version, string? Policy, double? ClockSkew, double? NewsLag, double? RedisTime,
    int? Unconfirmed, int? Leading, int? Following, int? Alone, IReadOnlyList<LedRow> Leads);

/// <summary>A fetch that another replica leads.</summary>
public sealed record LedRow(string Digest, long? Length, long Position);

/// <summary>Redis, as this replica reaches it.</summary>
/// <param name="Problem">Why it did not answer last; null while it answers.</param>
/// <param name="Time">Seconds until the last answer.</param>
/// <param name="Failed">Requests without an answer in time, since the start.</param>
public sealed record RedisState(
    IReadOnlyList<string> Addresses, bool IsUp, string? Problem, double Time, long Answered, long Failed);

/// <param name="State"><c>idle</c> (it asks who fetches), <c>lead</c>, <c>follow</c> or <c>alone</c>.</param>
/// <param name="From">The replica that is read; null for an upstream.</param>
public sealed record SharedFetchRow(string Digest, string State, string? From, long? Length, long Position, DateTimeOffset Since);

/// <summary>A purge that a replica has not confirmed.</summary>
public sealed record UnconfirmedRow(string What, string Replica, DateTimeOffset Since);

/// <summary>What the other replicas say of one account at an upstream.</summary>
/// <param name="Limit">Of the latest statement; null if the upstream stated none.</param>
/// <param name="InFlight">Requests of all other replicas that are not answered yet.</param>
/// <param name="IsFailing">Whether another replica does not ask an endpoint of it, because it fails there.</param>
public sealed record SharedUpstreamRow(string Upstream, string Account, long? Limit, long? Remaining, int InFlight, bool IsFailing);

/// <summary>Makes the page of replicas.</summary>
internal sealed class ReplicaPages(
    ConfigurationInForce inForce, VolumeHealth storage, Totals totals, ReplicaState? state = null, Members? members = null,
    News? news = null, ReplicaSelf? self = null,
    SharedLimits? limits = null, RedisLink? redis = null)
{
    private const int MostRows = 100;

    // As the alert GatewayReplicaRefused.
    private const double MostSkew = 60;

    public ReplicaPage Read() => ReadReplicas() with { Bucket = BucketOf() };

    // Something is unchanged, absent, or was changed by another gateway, also at the same time (409).
    private static bool IsAnswer(string code) => code is ['2', ..] or "304" or "404" or "409" or "412";

    private BucketRow? BucketOf() => inForce.Current.Storage.S3 is not { } s3 ? null : new(
        s3.Store.Bucket, s3.Store.Address, storage.BucketProblem,
        totals.Sum("gateway.s3.requests", static (_, code) => IsAnswer(code)),
        totals.Sum("gateway.s3.requests", static (_, code) => !IsAnswer(code)));

    private ReplicaPage ReadReplicas()
    {
        if (state is null || members is null || news is null || self is null) return new(true, [], null, [], [], [], []);
        MemberRow[] rows =
        [
            RowOf(self.Url, Members.Version, true, true, state.Describe()),
            .. members.Others.OrderBy(each => each.Url.ToString(), StringComparer.Ordinal).Select(each => RowOf(
                each.Url, each.Version, false, members.IsReachable(each.Url), members.AboutOf(each.Url))),
        ];
        UnconfirmedRow[] unconfirmed =
        [
            .. news.Unconfirmed.All.Take(MostRows).Select(each => new UnconfirmedRow(each.What, NameOf(each.Replica), each.Since)),
        ];
        var server = redis is null ? null : new RedisState(
            inForce.Current.Replicas?.Redis?.Addresses ?? [], redis.IsUp, redis.Problem, redis.Latency.TotalSeconds, redis.Counts.Answered,
            redis.Counts.Failed);
        return new(
            false, rows, server, [.. state.Fetches.OrderBy(each => each.Fetch.Since).Take(MostRows).Select(RowOf)], unconfirmed,
            [.. inForce.Current.Upstreams.Values.SelectMany(UpstreamRows)], [.. Problems(rows, server, unconfirmed.Length)]);
    }

    private static IEnumerable<string> Problems(MemberRow[] members, RedisState? redis, int unconfirmed)
    {
        if (redis is { IsUp: false, Problem: var why })
            yield return $"Redis does not answer: {why ?? "it has not answered yet"}. Each replica works alone until it does.";
        foreach (var member in members.Where(each => !each.IsReachable)) yield return $"Replica {member.Url} cannot be reached.";
        foreach (var member in members.Where(each => each.ClockSkew is > MostSkew or < -MostSkew))
            yield return $"The clock of {member.Url} differs by {member.ClockSkew:0} s from that of Redis; without Redis it is refused.";
        if (members.Select(each => each.Version).Where(each => each is { Length: > 0 }).Distinct().Count() > 1)
            yield return "Replicas run different versions. That is right during an upgrade.";
        if (members.Select(each => each.Policy).OfType<string>().Distinct().Count() > 1)
            yield return "Replicas have different policies, so that the same pull can be refused by one and admitted by another.";
        if (unconfirmed > 0) yield return "A purge is not carried out everywhere yet; it is told again until it is.";
    }

    private static MemberRow RowOf(Uri url, string version, bool isSelf, bool isReachable, ReplicaAbout? about) => new(
        NameOf(url), isSelf, isReachable, version.Length == 0 ? null : version, about?.Policy, about?.ClockSkew / 1e3, about?.NewsLag / 1e3,
        about?.RedisTime / 1e6, about?.Unconfirmed, about?.Leading, about?.Following, about?.Alone,
        [.. about?.Leads.Select(each => new LedRow(each.Digest, each.Length, each.Position)) ?? []]);

    private static SharedFetchRow RowOf(SharedFetch fetch) => new(
        fetch.Digest.ToString(), JsonNamingPolicy.CamelCase.ConvertName(fetch.State.ToString()),
        fetch.Peer is { } peer ? NameOf(peer) : null, fetch.Fetch.Part.Length, fetch.Fetch.Part.Readable, fetch.Fetch.Since);

    private IEnumerable<SharedUpstreamRow> UpstreamRows(UpstreamOptions upstream)
    {
        var told = limits?.ToldOf(upstream) ?? [];
        var isFailing = told.Any(static each => each.Open.Values.Any(rest => rest > each.Age.TotalMilliseconds));
        foreach (var account in told.SelectMany(static each => each.Accounts.Select(account => (each.Age, Account: account)))
            .GroupBy(static each => each.Account.Name))
        {
            var latest = account.Where(static each => each.Account.Limit > 0)
                .OrderBy(static each => each.Age + TimeSpan.FromMilliseconds(each.Account.StatedBefore)).FirstOrDefault().Account;
            yield return new(
                upstream.Key, account.Key, latest?.Limit, latest?.Remaining, account.Sum(static each => each.Account.InFlight), isFailing);
        }
    }

    private static string NameOf(Uri url) => url.GetLeftPart(UriPartial.Authority);
}
