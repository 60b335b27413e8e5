using System.IO.Enumeration;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// The freshness of one repository's tags: a fresh one is answered from disk, any other is asked for at the upstream by HEAD (which Docker
/// Hub does not count), once for all who wait, and what comes is weighed by the upstream's <c>tags:</c> options (docs/pull-through.md).
/// </summary>
internal sealed class TagRevalidation(
    StoredRepository stored, UpstreamRepository source, UpstreamManifests manifests, TimeProvider clock, ILogger logger)
{
    /// <summary>
    /// Longest wait for an upstream where something stale can be served: containerd's time for a pull is shared by all hosts (its issue
    /// 10624).
    /// </summary>
    public static readonly TimeSpan StaleDeadline = TimeSpan.FromSeconds(2);

    // After an upstream failed, what is stale is served at once for so long: half of the longest time that a breaker stays open.
    private static readonly TimeSpan StalePause = TimeSpan.FromSeconds(5);

    // A Retry-After of hours is a mistake, or a ban that ends with a new address or password.
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    private readonly SingleFlight<TagName, UpstreamTag> _asking = new();
    private readonly ExpiringMap<TagName, UpstreamTag> _known = new(4096, clock);

    private TagOptions Options => source.Options.Tags;

    /// <summary>What a tag is bound to, here and at the upstream, by the upstream's options.</summary>
    /// <param name="isForClient">Whether a client asked: only then it is counted.</param>
    public ValueTask<Result<TagState>> ResolveAsync(TagName tag, bool isForClient, CancellationToken cancellationToken)
    {
        var live = Live(tag);
        if (live is null || !IsFresh(tag, live)) return ResolveStaleAsync(tag, live, isForClient, cancellationToken);
        if (isForClient) PullThroughMetrics.Request(source.Key, "tag", "hit");
        return new(new Result<TagState>.Found(live, source.Hit));
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
        if (_known.TryGet(tag, out var known)
            && (live is not null || known is not UpstreamTag.Unavailable { RetryAfter: null, IsFinal: false }))
            return Interpret(live, known, joined: false);
        if (live is not null && source.RateLimit is { } left && IsHeld(live, left)) return NotAsked(live, left);
        var (answer, joined) = _asking.Run(tag, () => new(Known(tag)), () => AskAsync(tag, live));
        var said = live is null ? await answer.WaitAsync(cancellationToken) : await WaitBrieflyAsync(tag, answer, cancellationToken);
        return Interpret(live, said, joined);
    }

    private TagState? Live(TagName tag) => stored.Live(tag) is { Live.IsEmpty: false } live ? live : null;

    private UpstreamTag? Known(TagName tag)
    {
        if (Live(tag) is { } live && IsFresh(tag, live)) return new UpstreamTag.Bound(live.Live);
        return _known.TryGet(tag, out var known) && known is not UpstreamTag.Unavailable ? known : null;
    }

    /// <summary>A tag was bound or unbound as the upstream said just now.</summary>
    public void Forget(TagName tag) => _known.Remove(tag);

    private bool IsFresh(TagName tag, TagState live) =>
        Options.RevalidateAfter == Timeout.InfiniteTimeSpan
        || AgeOf(live) < Options.RevalidateAfter
        || IsImmutable(tag);

    // A loop: a lambda would cost every warm pull a closure.
    private bool IsImmutable(TagName tag)
    {
        foreach (var glob in Options.Immutable)
        {
            if (FileSystemName.MatchesSimpleExpression(glob, tag.Value, ignoreCase: false)) return true;
        }
        return false;
    }

    // On either side: what was validated in the future is as old as the clock has been set back.
    private TimeSpan AgeOf(TagState live) => (clock.GetUtcNow() - live.ValidatedAt).Duration();

    // Who would rather have nothing than what is stale gets no more of it because a budget shrinks.
    private bool IsHeld(TagState live, RateLimit left) =>
        Options.OnUnavailable == StaleUse.Serve && Options.RevalidateAfter > TimeSpan.Zero
        && (left.Stretch is not { } stretch || AgeOf(live) < Options.RevalidateAfter * stretch);

    private async Task<UpstreamTag> WaitBrieflyAsync(TagName tag, Task<UpstreamTag> answer, CancellationToken cancellationToken)
    {
        try
        {
            return await answer.WaitAsync(StaleDeadline, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The question stays under way; until it is answered nobody else waits.
            var silent = new UpstreamTag.Unavailable(
                null, $"upstream {source.Key} did not answer within {StaleDeadline.TotalSeconds:0} s", null);
            _known.Set(tag, silent, StalePause);
            return silent;
        }
    }

    private async Task<UpstreamTag> AskAsync(TagName tag, TagState? live)
    {
        var said = await AskUpstreamAsync(tag, live);
        if (said is UpstreamTag.NotAsked) return said;
        if (said is UpstreamTag.Bound same && same.Digest == live?.Live)
        {
            if (await TryNoteAsync(tag))
            {
                _known.Remove(tag);
                return said;
            }
        }
        _known.Set(tag, said, MemoryOf(said));
        return said;
    }

    // A full volume notes nothing; memory must do then.
    private async Task<bool> TryNoteAsync(TagName tag)
    {
        try
        {
            await stored.CommitAsync(new([new Operation.Validated(tag, clock.GetUtcNow())]), CancellationToken.None);
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
            // Checked again at its turn: many requests may have arrived before the first was counted.
            Func<RateLimit, bool>? isWithheldAt = live is null ? null : left => IsHeld(live, left);
            var isUseless = source.Heads.IsUseless(UpstreamNoun.Manifest);
            if (!isUseless && await HeadAsync(tag, isWithheldAt) is { } said) return said;
            var got = await manifests.ReadTagAsync(tag, isWithheldAt);
            if (!isUseless && got is UpstreamTag.Bound) source.Heads.Contradicted(UpstreamNoun.Manifest);
            return got;
        }
        catch (UpstreamHeldException e)
        {
            return new UpstreamTag.NotAsked(e.Left);
        }
        catch (UpstreamException e)
        {
            Log.TagNotAnswered(logger, source.Key, source.Name, tag, e.Message);
            return e.Failure == UpstreamFailure.Unauthorized
                ? new UpstreamTag.Unauthorized(e.Status, e.IsOfAccount ? e.Message : null)
                : UpstreamTag.Unavailable.Of(e);
        }
    }

    /// <summary>
    /// What HEAD says of the tag; null where that cannot be used: without a digest, refused, or a 404 of an upstream whose HEADs have not
    /// worked yet. containerd asks by GET then, and so does the gateway.
    /// </summary>
    private async Task<UpstreamTag?> HeadAsync(TagName tag, Func<RateLimit, bool>? isWithheldAt)
    {
        try
        {
            await using var response = await source.HeadTagAsync(tag, isWithheldAt, CancellationToken.None);
            if (response.Status == 200 && !response.DigestClaim.IsEmpty)
            {
                source.Heads.Worked(UpstreamNoun.Manifest);
                return new UpstreamTag.Bound(response.DigestClaim);
            }
            return response.Status == 404 && source.Heads.HasWorked(UpstreamNoun.Manifest) ? new UpstreamTag.Gone() : null;
        }
        catch (UpstreamException e) when (e.IsOfHead)
        {
            return null;
        }
    }

    private TimeSpan MemoryOf(UpstreamTag said) => said switch
    {
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
                Stale(live, asked with { UpstreamStatus = 404 }, "the upstream has it no more"),
            UpstreamTag.Gone => Absent(asked with { UpstreamStatus = 404 }),
            // The upstream said nothing about the tag: it was not asked, or its token server did not let us ask.
            UpstreamTag.Unauthorized(var status, { } why) when live is not null && source.MayShowCached
                && Options.OnUnavailable == StaleUse.Serve => Stale(live, asked with { UpstreamStatus = status, Incomplete = why }, why),
            UpstreamTag.Unauthorized(var status, _) when live is not null && Options.OnUnauthorized == StaleUse.Serve =>
                Stale(live, asked with { UpstreamStatus = status }, $"the upstream answered {status}"),
            UpstreamTag.Unauthorized(var status, var why) =>
                Absent(UpstreamAnswers.Refused(source, status) with { Collapsed = joined, Incomplete = why }),
            UpstreamTag.Unavailable down when live is not null && Options.OnUnavailable == StaleUse.Serve =>
                Stale(live, asked with { UpstreamStatus = down.Status, Incomplete = down.Why }, down.Why),
            UpstreamTag.Unavailable down => Unavailable(down, asked),
            UpstreamTag.NotAsked(var left) when live is not null => NotAsked(live, left),
            _ => throw new InvalidOperationException($"{said} is no answer"),
        };
    }

    private bool ServesGone(TagState live) =>
        Options.OnGone == Timeout.InfiniteTimeSpan || clock.GetUtcNow() < live.ValidatedAt + Options.OnGone;

    private static (Result<TagState>, string) Bound(TagState? live, Digest digest, CacheHandling asked)
    {
        var isSame = live?.Live == digest;
        var state = new TagState(live?.Live ?? default, isSame ? default : digest) { ValidatedAt = live?.ValidatedAt ?? default };
        return (new Result<TagState>.Found(state, asked with { IsHit = isSame, UpstreamStatus = 200 }), isSame ? "revalidated" : "miss");
    }

    private (Result<TagState>, string) NotAsked(TagState live, RateLimit left)
    {
        var why = $"the upstream's rate limit leaves {left.Remaining} of {left.Limit}, so it was not asked";
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
