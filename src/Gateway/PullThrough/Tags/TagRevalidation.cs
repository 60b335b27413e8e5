using System.IO.Enumeration;
using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Keeps the tags of one repository fresh. A fresh tag is answered from disk. For any other tag, the gateway asks the upstream by HEAD
/// (which Docker Hub does not count), once for all waiting requests. The upstream's <c>tags:</c> options decide what the answer means
/// (docs/pull-through.md).
/// </summary>
internal sealed class TagRevalidation(
    StoredRepository stored, UpstreamRepository source, UpstreamManifests manifests, TimeProvider clock, ILogger logger,
    ISharedTags? shared = null)
{
    /// <summary>
    /// Longest wait for an upstream if a stale tag can be served. containerd's time limit for a pull covers all hosts (containerd issue
    /// 10624).
    /// </summary>
    public static readonly TimeSpan StaleDeadline = TimeSpan.FromSeconds(2);

    // After a failure of the upstream, stale tags are served at once for this time: half of the longest time that a breaker stays open.
    private static readonly TimeSpan StalePause = TimeSpan.FromSeconds(5);

    // A Retry-After of hours is a mistake, or a ban that ends with a new address or password.
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    private readonly SingleFlight<TagName, UpstreamTag> _asking = new();
    // One delegate for all: every warm pull needs it.
    private Func<TagName, TagState, bool>? _isFresh;
    private readonly ExpiringMap<TagName, UpstreamTag> _known = new(4096, clock);

    // What the upstream has just said of tags of evidence: a note on disk each second would cost a flush each.
    private readonly ExpiringMap<TagName, Digest> _confirmed = new(4096, clock);

    private readonly SharedAnswers _shared = new(source, shared, clock);

    private TagOptions Options => source.Options.Tags;

    /// <summary>The digests that a tag is bound to, here and at the upstream, under the upstream's options.</summary>
    /// <param name="isForClient">Whether a client sent the request; other requests are not counted.</param>
    public ValueTask<Result<TagState>> ResolveAsync(TagName tag, bool isForClient, CancellationToken cancellationToken)
    {
        var live = Live(tag);
        if (live is null || !IsFresh(tag, live)) return ResolveStaleAsync(tag, live, isForClient, cancellationToken);
        if (isForClient) PullThroughMetrics.Request(source.Key, "tag", "hit");
        return new(new Result<TagState>.Found(live, source.Hit));
    }

    /// <summary>
    /// A fresh tag with its manifest, for a client; null for a tag that is not fresh. The manifest is null if it is not stored.
    /// </summary>
    public TaggedManifest? ReadFresh(TagName tag)
    {
        if (stored.ReadTag(tag, _isFresh ??= IsFresh) is not { State: { Live.IsEmpty: false } live } tagged
            || (tagged.Manifest is null && !IsFresh(tag, live))) return null;
        PullThroughMetrics.Request(source.Key, "tag", "hit");
        return tagged;
    }

    private async ValueTask<Result<TagState>> ResolveStaleAsync(
        TagName tag, TagState? live, bool isForClient, CancellationToken cancellationToken)
    {
        var (result, how) = await InterpretAsync(tag, live, cancellationToken);
        if (isForClient) PullThroughMetrics.Request(source.Key, "tag", how);
        return result;
    }

    private async ValueTask<(Result<TagState> Result, string How)> InterpretAsync(
        TagName tag, TagState? live, CancellationToken cancellationToken)
    {
        if (_known.TryGet(tag, out var known) && !manifests.Lacks(known)
            && (live is not null || known is not UpstreamTag.Unavailable { RetryAfter: null, IsFinal: false }))
            return Interpret(live, known, joined: false);
        if (live is not null && source.RateLimit is { } budget && IsHeld(tag, live, budget)) return NotAsked(live, budget);
        var (answer, joined) = _asking.Run(tag, () => new(Known(tag)), () => AskAsync(tag, live));
        var said = live is null ? await answer.WaitAsync(cancellationToken) : await WaitBrieflyAsync(tag, answer, cancellationToken);
        return Interpret(live, said, joined);
    }

    private TagState? Live(TagName tag) => stored.Live(tag) is { Live.IsEmpty: false } live ? live : null;

    private UpstreamTag? Known(TagName tag)
    {
        if (Live(tag) is { } live && IsFresh(tag, live)) return new UpstreamTag.Bound(live.Live);
        return _known.TryGet(tag, out var known) && known is not UpstreamTag.Unavailable && !manifests.Lacks(known) ? known : null;
    }

    /// <summary>Forgets the last answer: the tag was just bound or unbound as the upstream said.</summary>
    public void Forget(TagName tag) => _known.Remove(tag);

    private bool IsFresh(TagName tag, TagState live)
    {
        if (Options.RevalidateAfter == Timeout.InfiniteTimeSpan) return true;
        var age = AgeOf(live);
        return (age < Options.RevalidateAfter && !IsEvidenceDue(tag, live, age)) || IsImmutable(tag);
    }

    /// <summary>Whether it is time to look for newer evidence under a tag, because the rate budget allows it.</summary>
    private bool IsEvidenceDue(TagName tag, TagState live, TimeSpan age) =>
        age >= Freshness.OfEvidence && Freshness.IsOfEvidence(tag) && Freshness.IsAmple(source.RateLimit)
        && !(_confirmed.TryGet(tag, out var confirmed) && confirmed == live.Live);

    // A loop: a lambda would allocate a closure for every warm pull.
    private bool IsImmutable(TagName tag)
    {
        foreach (var glob in Options.Immutable)
        {
            if (FileSystemName.MatchesSimpleExpression(glob, tag.Value, ignoreCase: false)) return true;
        }
        return false;
    }

    // Absolute: with a validation time in the future, the clock was set back by at least this much, so the answer is that old.
    private TimeSpan AgeOf(TagState live) => (clock.GetUtcNow() - live.ValidatedAt).Duration();

    // An operator who prefers an error to stale content does not get more stale content because a rate budget is low.
    private bool IsHeld(TagName tag, TagState live, RateLimit budget) =>
        Options.OnUnavailable == StaleUse.Serve && Options.RevalidateAfter > TimeSpan.Zero
        && (budget.Stretch is not { } stretch
            || (AgeOf(live) < Options.RevalidateAfter * stretch && !(Freshness.IsAmple(budget) && Freshness.IsOfEvidence(tag))));

    private async Task<UpstreamTag> WaitBrieflyAsync(TagName tag, Task<UpstreamTag> answer, CancellationToken cancellationToken)
    {
        try
        {
            return await answer.WaitAsync(StaleDeadline, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The request continues in the background; until it is answered, no other request waits for it.
            var silent = new UpstreamTag.Unavailable(
                null, $"upstream {source.Key} did not answer within {StaleDeadline.TotalSeconds:0} s", null);
            _known.Set(tag, silent, StalePause);
            return silent;
        }
    }

    private async Task<UpstreamTag> AskAsync(TagName tag, TagState? live)
    {
        var asked = _shared.Now;
        if (await _shared.FindAsync(tag) is { } known && new UpstreamTag.Bound(known.Digest) is var theirs && !manifests.Lacks(theirs))
            return await NoteAsync(tag, live, theirs, known.Age);
        var said = await AskUpstreamAsync(tag, live);
        if (said is UpstreamTag.NotAsked) return said;
        if (said is UpstreamTag.Bound bound) _shared.Share(tag, bound.Digest, asked);
        return await NoteAsync(tag, live, said, TimeSpan.Zero);
    }

    /// <summary>
    /// The upstream has just bound or removed the tag, because a client pushed or deleted through this gateway: earlier answers, also
    /// those that other replicas received, no longer hold.
    /// </summary>
    /// <param name="digest">What the tag is bound to; the default for a removed tag.</param>
    public void Changed(TagName tag, Digest digest)
    {
        Forget(tag);
        _confirmed.Remove(tag);
        _shared.Changed(tag, digest);
    }

    /// <summary>When a tag that is bound now was validated: earlier than now if another replica has asked.</summary>
    public DateTimeOffset ValidatedAt(TagName tag) => _shared.ValidatedAt(tag);

    private async Task<UpstreamTag> NoteAsync(TagName tag, TagState? live, UpstreamTag said, TimeSpan age)
    {
        var at = clock.GetUtcNow() - age;
        _shared.Aged(tag, age, LongestPause);
        if (live is not null && said is UpstreamTag.Bound(var same) && same == live.Live)
        {
            if (Freshness.IsOfEvidence(tag)) _confirmed.Set(tag, same, Freshness.OfEvidence - age);
            if (AgeOf(live) < Options.RevalidateAfter || await TryNoteAsync(tag, at))
            {
                _known.Remove(tag);
                return said;
            }
        }
        _known.Set(tag, said, MemoryOf(tag, said) - age);
        return said;
    }

    // A full volume accepts no note; the answer then stays in memory only.
    private async Task<bool> TryNoteAsync(TagName tag, DateTimeOffset at)
    {
        try
        {
            await stored.CommitAsync(new([new Operation.Validated(tag, at)]), CancellationToken.None);
            return true;
        }
        catch (StoreReadOnlyException)
        {
            return false;
        }
    }

    private async Task<UpstreamTag> AskUpstreamAsync(TagName tag, TagState? live)
    {
        try
        {
            // Checked again just before sending: many requests may have arrived before the first one was counted.
            Func<RateLimit, bool>? isWithheldAt = live is null ? null : budget => IsHeld(tag, live, budget);
            return await manifests.ResolveTagAsync(tag, isWithheldAt);
        }
        catch (UpstreamHeldException e)
        {
            return new UpstreamTag.NotAsked(e.Budget);
        }
        catch (UpstreamException e)
        {
            Log.TagNotAnswered(logger, source.Key, source.Name, tag, e.Message);
            return e.Failure == UpstreamFailure.Unauthorized
                ? new UpstreamTag.Unauthorized(e.Status, e.IsOfAccount ? e.Message : null)
                : UpstreamTag.Unavailable.Of(e);
        }
    }

    private TimeSpan MemoryOf(TagName tag, UpstreamTag said) => said switch
    {
        UpstreamTag.Bound or UpstreamTag.Gone when Freshness.IsOfEvidence(tag) && Freshness.IsAmple(source.RateLimit) =>
            Options.RevalidateAfter >= TimeSpan.Zero && Options.RevalidateAfter < Freshness.OfEvidence
                ? Options.RevalidateAfter
                : Freshness.OfEvidence,
        UpstreamTag.Bound => Options.RevalidateAfter == Timeout.InfiniteTimeSpan ? LongestPause : Options.RevalidateAfter,
        UpstreamTag.Unavailable { RetryAfter: { } after } => after < LongestPause ? after : LongestPause,
        UpstreamTag.Unavailable { IsFinal: false } => StalePause,
        _ => Freshness.OfAbsence(source.Options),
    };

    private (Result<TagState>, string) Interpret(TagState? live, UpstreamTag said, bool joined)
    {
        var asked = new CacheHandling
        {
            Upstream = source.Key, Forward = live is null ? ForwardReason.Absent : ForwardReason.Stale, Collapsed = joined,
        };
        return said switch
        {
            UpstreamTag.Bound(var digest) => Bound(live, digest, asked),
            UpstreamTag.Gone when live is not null && ServesGone(live) =>
                Stale(live, asked with { UpstreamStatus = 404 }, "the upstream no longer has the tag"),
            UpstreamTag.Gone => Absent(asked with { UpstreamStatus = 404 }),
            // The upstream said nothing about the tag: the gateway did not ask, or the token server issued no token.
            UpstreamTag.Unauthorized(var status, { } why) when live is not null && source.MayShowCached
                && ServesUnconfirmed(live) => Stale(live, asked with { UpstreamStatus = status, Incomplete = why }, why),
            UpstreamTag.Unauthorized(var status, _) when live is not null && Options.OnUnauthorized == StaleUse.Serve =>
                Stale(live, asked with { UpstreamStatus = status }, $"the upstream answered {status}"),
            UpstreamTag.Unauthorized(var status, var why) =>
                Absent(UpstreamAnswers.Refused(source, status, why) with { Collapsed = joined, Incomplete = why }),
            UpstreamTag.Unavailable down when live is not null && ServesUnconfirmed(live) =>
                Stale(live, asked with { UpstreamStatus = down.Status, Incomplete = down.Why }, down.Why),
            UpstreamTag.Unavailable down => Unavailable(down, asked),
            UpstreamTag.NotAsked(var budget) when live is not null => NotAsked(live, budget),
            _ => throw new InvalidOperationException($"unexpected answer {said}"),
        };
    }

    // A tag of evidence is asked for before its time is over; what is here is good for that long.
    private bool ServesUnconfirmed(TagState live) => Options.OnUnavailable == StaleUse.Serve || AgeOf(live) < Options.RevalidateAfter;

    private bool ServesGone(TagState live) =>
        Options.OnGone == Timeout.InfiniteTimeSpan || clock.GetUtcNow() < live.ValidatedAt + Options.OnGone;

    private static (Result<TagState>, string) Bound(TagState? live, Digest digest, CacheHandling asked)
    {
        var isSame = live?.Live == digest;
        var state = new TagState(live?.Live ?? default, isSame ? default : digest) { ValidatedAt = live?.ValidatedAt ?? default };
        return (new Result<TagState>.Found(state, asked with { IsHit = isSame, UpstreamStatus = 200 }), isSame ? "revalidated" : "miss");
    }

    private (Result<TagState>, string) NotAsked(TagState live, RateLimit budget)
    {
        var why = $"the upstream was not asked, because {budget.Remaining} requests of its rate limit of {budget.Limit} remain";
        var asked = CacheHandling.Hit with { Upstream = source.Key, Detail = CacheDetail.RateLimit, Incomplete = $"{source.Key}: {why}" };
        return Stale(live, asked, why);
    }

    private static (Result<TagState>, string) Stale(TagState live, CacheHandling asked, string why)
    {
        var warning = $"stale: {why}; last validated {Moments.Text(live.ValidatedAt)}";
        return (new Result<TagState>.Found(live, asked with { IsHit = true, Notice = warning }), "stale");
    }

    private static (Result<TagState>, string) Absent(CacheHandling handling) => (new Result<TagState>.Absent(handling), "absent");

    private static (Result<TagState>, string) Unavailable(UpstreamTag.Unavailable down, CacheHandling asked)
    {
        var handling = asked with { UpstreamStatus = down.Status, IsFinal = down.IsFinal };
        return (new Result<TagState>.Unavailable(down.RetryAfter ?? StalePause, down.Why, handling), "unavailable");
    }
}
