using System.Collections.Concurrent;
using BitFaster.Caching.Lru;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The result of <see cref="NamedElsewhere.PullAsync"/>.</summary>
/// <param name="IsAdmitted">Whether something that was pulled admits the content now.</param>
/// <param name="Why">Why that is not known; null when it is.</param>
internal sealed record Looked(bool IsAdmitted, Answer<StoredManifest>.Unavailable? Why = null)
{
    /// <summary>Nothing admits it.</summary>
    public static readonly Looked InVain = new(false);
}

/// <summary>
/// Content of an upstream that nothing admits which this gateway has seen. Behind a load balancer, the client may have its manifest, or the
/// index that admits it, from another replica. So the gate asks the other replicas which manifests name the content, and pulls those as if
/// the client had pulled them here. What a replica says is only a digest to look at: the upstream, the client's rights and the policy of
/// this gateway decide.
/// </summary>
internal sealed class NamedElsewhere(TimeProvider clock)
{
    /// <summary>Most pieces of content that are remembered as looked for in vain.</summary>
    private const int MaxRemembered = 1024;

    /// <summary>
    /// How long. Chosen: repeated requests cost little, and an image that another replica gets meanwhile is soon found.
    /// </summary>
    private static readonly TimeSpan RememberedFor = TimeSpan.FromSeconds(5);

    /// <summary>No further manifest is pulled after this time. Chosen: clients begin to give up at 30 s.</summary>
    private static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RetryBusy = TimeSpan.FromSeconds(1);

    private readonly ConcurrentLru<(LinkKind, Digest), (Looked Looked, DateTimeOffset Until)> _inVain = new(MaxRemembered);
    private readonly ConcurrentDictionary<(LinkKind, Digest), Lazy<Task<Looked>>> _looking = new();

    /// <summary>
    /// Pulls what other replicas name, until the content is admitted. Requests for the same content share one look, which goes on when the
    /// client leaves.
    /// </summary>
    /// <param name="others">The other replicas.</param>
    /// <param name="kind">As what the content is asked for.</param>
    /// <param name="content">A blob or manifest that is not admitted.</param>
    /// <param name="pull">Pulls a manifest by digest through the gate, without another look.</param>
    /// <param name="isAdmitted">Whether the content is admitted now.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public async ValueTask<Looked> PullAsync(
        IOtherReplicas others, LinkKind kind, Digest content, Func<Digest, ValueTask<Answer<StoredManifest>>> pull,
        Func<ValueTask<bool>> isAdmitted, CancellationToken cancellationToken)
    {
        if (_inVain.TryGet((kind, content), out var lately) && clock.GetUtcNow() < lately.Until) return lately.Looked;
        return await _looking.GetOrAdd((kind, content), _ => new(OnceAsync)).Value.WaitAsync(cancellationToken);

        async Task<Looked> OnceAsync()
        {
            try
            {
                // Not on the thread of the first request, which may be canceled like the others.
                return await Task.Run(LookAsync);
            }
            finally
            {
                _looking.TryRemove((kind, content), out _);
            }
        }

        async Task<Looked> LookAsync()
        {
            var began = clock.GetTimestamp();
            if (await others.NamingAsync(content, CancellationToken.None) is not { } named)
                return new(false, new(RetryBusy, $"too many requests for unknown content; ask for {content} again", CacheHandling.Local));
            Answer<StoredManifest>.Unavailable? why = null;
            foreach (var manifest in named.TakeWhile(_ => clock.GetElapsedTime(began) < LongestLook))
            {
                var answer = await pull(manifest);
                if (answer is Answer<StoredManifest>.Found && await isAdmitted()) return new(true);
                why ??= answer as Answer<StoredManifest>.Unavailable;
            }
            var looked = why is null ? Looked.InVain : new(false, why);
            _inVain.AddOrUpdate((kind, content), (looked, clock.GetUtcNow() + RememberedFor));
            return looked;
        }
    }
}
