using Gateway.Storage;
using Gateway.Transport;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Reads manifests from an upstream. Each is read whole, checked against the requested digest, and parsed by <see cref="ManifestReader"/>
/// before any caller sees it. It stores none.
/// </summary>
/// <param name="limits">The policy's limits for a document, the same as for a pushed one.</param>
/// <param name="peers">The other replicas; null if this gateway is alone.</param>
internal sealed class UpstreamManifests(
    UpstreamRepository source, RecentManifests recent, ManifestLimits limits, TimeProvider clock, ILogger logger,
    IFetchPeers? peers = null)
{
    private readonly SingleFlight<Digest, Result<StoredManifest>> _reading = new();
    private readonly ExpiringMap<Digest, int?> _absent = new(4096, clock);

    // Digests that the upstream answered 404 to. Chosen: long enough for the requests of one pull, and for their repetition.
    private readonly ExpiringMap<Digest, bool> _lacking = new(4096, clock);
    private static readonly TimeSpan LackingFor = TimeSpan.FromMinutes(1);

    /// <summary>Reads a manifest that is not stored here, by digest.</summary>
    public async ValueTask<Result<StoredManifest>> ReadAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (Known(digest) is { } known) return known;
        if (recent.FindRefusal(source, digest, limits) is { } refusal) return UpstreamAnswers.Failed<StoredManifest>(source, refusal);
        if (_absent.TryGet(digest, out var status)) return new Result<StoredManifest>.Absent(UpstreamAnswers.Refused(source, status));
        var (reading, joined) = _reading.Run(digest, () => new(Known(digest)), () => AskAsync(digest));
        var result = await reading.WaitAsync(cancellationToken);
        return joined ? result with { Handling = result.Handling with { Collapsed = true } } : result;
    }

    /// <summary>Forgets that the upstream lacked a manifest: it was pushed through the gateway, or fetched.</summary>
    public void Stored(Digest digest)
    {
        _absent.Remove(digest);
        _lacking.Remove(digest);
    }

    /// <summary>
    /// Whether the upstream has just answered 404 to the digest that it binds a tag to. Then the tag has moved since, or its HEAD names the
    /// digest of another form of the manifest: only the manifest itself tells.
    /// </summary>
    public bool Lacks(UpstreamTag? said) => said is UpstreamTag.Bound(var digest) && _lacking.TryGet(digest, out _);

    /// <summary>
    /// Resolves a tag at upstreams whose HEAD cannot be used: reads the tag's manifest, remembers it for the next request, and returns its
    /// digest. For a manifest that can never be accepted, it remembers the failure as the answer to requests for that digest. Throws <see
    /// cref="UpstreamException"/>.
    /// </summary>
    public async Task<UpstreamTag> ReadTagAsync(TagName tag, Func<RateLimit, bool>? isWithheldAt = null)
    {
        await using var response = await source.GetManifestAsync(new Reference(tag), CancellationToken.None, isWithheldAt);
        if (response.Status == 404) return new UpstreamTag.Gone();
        RefuseSchema1(response, $"tag {tag}");
        var bytes = await AsMeantAsync(response, await ReadBodyAsync(response, $"tag {tag}"), response.DigestClaim);
        var digest = Digest.Of(bytes, response.DigestClaim.IsEmpty ? DigestAlgorithm.Sha256 : response.DigestClaim.Algorithm);
        Stored(digest);
        try
        {
            recent.Add(source, limits, Parse(digest, response, bytes));
        }
        catch (UpstreamException e)
        {
            recent.Refuse(source, digest, limits, e);
        }
        return new UpstreamTag.Bound(digest);
    }

    /// <summary>
    /// What the upstream binds a tag to: by HEAD, which Docker Hub does not count, or by <see cref="ReadTagAsync"/> where HEAD cannot be
    /// used. Throws <see cref="UpstreamException"/>.
    /// </summary>
    public async Task<UpstreamTag> ResolveTagAsync(TagName tag, Func<RateLimit, bool>? isWithheldAt = null)
    {
        var isUseless = source.Heads.IsUseless(UpstreamNoun.Manifest);
        if (!isUseless && await HeadAsync(tag, isWithheldAt) is { } said && !Lacks(said)) return said;
        var got = await ReadTagAsync(tag, isWithheldAt);
        if (!isUseless && got is UpstreamTag.Bound) source.Heads.Contradicted(UpstreamNoun.Manifest);
        return got;
    }

    /// <summary>
    /// The answer to HEAD for the tag. Null if it says nothing: it has no digest, was refused, or is a 404 of an upstream whose HEADs have
    /// not worked yet. In these cases the gateway sends a GET, as containerd does.
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

    private Result<StoredManifest>.Found? Known(Digest digest) =>
        recent.Find(source, digest, limits) is { } manifest ? new(manifest, Missed()) : null;

    private async Task<Result<StoredManifest>> AskAsync(Digest digest)
    {
        try
        {
            if (peers is not null && await FromReplicaAsync(peers, digest) is { } shared)
            {
                recent.Add(source, limits, shared);
                return new Result<StoredManifest>.Found(shared, Missed() with { Detail = CacheDetail.Peer });
            }
            await using var response = await source.GetManifestAsync(new Reference(digest), CancellationToken.None);
            if (response.Status == 404) return Absent(digest, 404);
            var manifest = await ReadAsync(response, digest);
            recent.Add(source, limits, manifest);
            return new Result<StoredManifest>.Found(manifest, Missed());
        }
        catch (UpstreamException e) when (e.Failure == UpstreamFailure.Unauthorized)
        {
            return Absent(digest, e.Status);
        }
        catch (UpstreamException e)
        {
            return UpstreamAnswers.Failed<StoredManifest>(source, e);
        }
    }

    /// <summary>
    /// The manifest from another replica, after the upstream said that this repository has it; null if no replica has it, or the answer to
    /// HEAD does not settle the matter.
    /// </summary>
    private async Task<StoredManifest?> FromReplicaAsync(IFetchPeers replicas, Digest digest)
    {
        if (source.Heads.IsUseless(UpstreamNoun.Manifest)) return null;
        if (await replicas.FindSmallAsync(digest, limits.MaxBytes, CancellationToken.None) is not { } bytes) return null;
        try
        {
            await using var response = await source.HeadManifestAsync(digest, CancellationToken.None);
            var isMeant = response.Status == 200 && (response.DigestClaim.IsEmpty || response.DigestClaim == digest);
            return isMeant && UpstreamDocument.ManifestTypeOf(response) is not null ? Parse(digest, response, bytes) : null;
        }
        catch (UpstreamException)
        {
            // The GET fails in the same way, and says what it means; or it works where HEAD does not.
            return null;
        }
    }

    private async Task<StoredManifest> ReadAsync(UpstreamResponse response, Digest digest)
    {
        byte[] bytes;
        try
        {
            RefuseSchema1(response, digest.ToString());
            bytes = await AsMeantAsync(response, await ReadBodyAsync(response, digest.ToString()), digest);
            if (Digest.Of(bytes, digest.Algorithm) == digest) return Parse(digest, response, bytes);
        }
        // Too large, or not a manifest: content with this digest never changes.
        catch (UpstreamException e) when (e.Failure == UpstreamFailure.Misbehaving && response.Status == 200)
        {
            recent.Refuse(source, digest, limits, e);
            throw;
        }
        throw WrongBytes(response, digest, Digest.Of(bytes, digest.Algorithm));
    }

    // The digest of such a manifest is not that of its bytes (the signatures are inside), so nothing else can be checked.
    private void RefuseSchema1(UpstreamResponse response, string what)
    {
        if (response.ContentType is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed)
            throw source.Misbehaved($"{what} is a Docker schema 1 manifest, which is not supported; push the image with a current client");
    }

    /// <summary>
    /// The bytes that have the digest: as received, or without their content coding. Without a digest, the decoded bytes if they can be
    /// decoded.
    /// </summary>
    private async Task<byte[]> AsMeantAsync(UpstreamResponse response, byte[] bytes, Digest digest)
    {
        if (response.Codings.IsEmpty || (!digest.IsEmpty && Digest.Of(bytes, digest.Algorithm) == digest)) return bytes;
        if (await ContentEncodings.DecodeAsync(bytes, response.Codings, limits.MaxBytes) is not { } decoded) return bytes;
        return digest.IsEmpty || Digest.Of(decoded, digest.Algorithm) == digest ? decoded : bytes;
    }

    private async Task<byte[]> ReadBodyAsync(UpstreamResponse response, string what)
    {
        if (response.Status != 200) throw source.Misbehaved($"expected 200 for GET of {what}, got {response.Status}");
        try
        {
            var bytes = await UpstreamDocument.ReadAsync(response, limits.MaxBytes, clock);
            PullThroughMetrics.Fetched(source.Key, bytes.Length);
            return bytes;
        }
        catch (IOException e)
        {
            source.Report(response.Endpoint, wrong: false);
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"upstream {source.Key} cut {what} of {source.Name} short: {e.Message}", inner: e);
        }
        catch (InvalidDataException e)
        {
            throw source.Misbehaved($"{what}: {e.Message}");
        }
    }

    private StoredManifest Parse(Digest digest, UpstreamResponse response, byte[] bytes)
    {
        var (manifest, problem) = ManifestReader.Read(bytes, UpstreamDocument.ManifestTypeOf(response), limits);
        return manifest is not null
            ? new(digest, manifest, bytes) { IsStored = false }
            : throw source.Misbehaved($"manifest {digest} is not valid: {problem!.Code}: {problem.Message}");
    }

    private UpstreamException WrongBytes(UpstreamResponse response, Digest wanted, Digest actual)
    {
        source.Report(response.Endpoint, wrong: true);
        PullThroughMetrics.IntegrityFailure("upstream");
        Log.WrongBytes(logger, wanted, source.Key, $"received a manifest with digest {actual}");
        return source.Misbehaved($"expected manifest {wanted}, got {actual}");
    }

    private Result<StoredManifest>.Absent Absent(Digest digest, int? status)
    {
        _absent.Set(digest, status, Freshness.OfAbsence(source.Options));
        if (status == 404) _lacking.Set(digest, true, LackingFor);
        return new(UpstreamAnswers.Refused(source, status));
    }

    private CacheHandling Missed() => new() { Upstream = source.Key, Forward = ForwardReason.Absent, UpstreamStatus = 200 };
}
