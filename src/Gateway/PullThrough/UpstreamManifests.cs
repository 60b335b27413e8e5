using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Reads manifests from an upstream: whole, checked against the digest asked for, and read by <see cref="ManifestReader"/>, before anybody
/// sees them. Keeps none.
/// </summary>
internal sealed class UpstreamManifests(UpstreamRepository source, RecentManifests recent, TimeProvider clock, ILogger logger)
{
    private readonly SingleFlight<Digest, Result<StoredManifest>> _reading = new();
    private readonly ExpiringMap<Digest, int?> _absent = new(4096, clock);
    private readonly ManifestLimits _limits = ManifestLimits.Plain;

    /// <summary>A manifest that is not stored here, by digest.</summary>
    public async ValueTask<Result<StoredManifest>> ReadAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (Known(digest) is { } known) return known;
        if (_absent.TryGet(digest, out var status)) return new Result<StoredManifest>.Absent(UpstreamAnswers.Refused(source, status));
        var (reading, joined) = _reading.Run(digest, () => new(Known(digest)), () => AskAsync(digest));
        var result = await reading.WaitAsync(cancellationToken);
        return joined ? result with { Provenance = result.Provenance with { Collapsed = true } } : result;
    }

    /// <summary>
    /// For upstreams that say no digest on HEAD: reads the tag's manifest, and says what its digest is. Throws
    /// <see cref="UpstreamException"/>.
    /// </summary>
    public async Task<UpstreamTag> ReadTagAsync(TagName tag)
    {
        await using var response = await source.GetManifestAsync(new Reference(tag), CancellationToken.None);
        if (response.Status == 404) return new UpstreamTag.Gone();
        var bytes = await ReadBodyAsync(response, $"tag {tag}");
        var algorithm = response.DigestClaim.IsEmpty ? DigestAlgorithm.Sha256 : response.DigestClaim.Algorithm;
        var manifest = Parse(Digest.Of(bytes, algorithm), response.ContentType, bytes);
        recent.Add(source, manifest);
        return new UpstreamTag.Bound(manifest.Digest);
    }

    private Result<StoredManifest>.Found? Known(Digest digest) =>
        recent.Find(source, digest) is { } manifest ? new(manifest, Missed(joined: false)) : null;

    private async Task<Result<StoredManifest>> AskAsync(Digest digest)
    {
        try
        {
            await using var response = await source.GetManifestAsync(new Reference(digest), CancellationToken.None);
            if (response.Status == 404) return Absent(digest, 404);
            var bytes = await ReadBodyAsync(response, digest.ToString());
            var actual = Digest.Of(bytes, digest.Algorithm);
            if (actual != digest) throw WrongBytes(response, digest, actual);
            var manifest = Parse(digest, response.ContentType, bytes);
            recent.Add(source, manifest);
            return new Result<StoredManifest>.Found(manifest, Missed(joined: false));
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

    private async Task<byte[]> ReadBodyAsync(UpstreamResponse response, string what)
    {
        if (response.Status != 200) throw source.Misbehaved($"answered {response.Status} to GET of {what}");
        try
        {
            var bytes = await UpstreamDocument.ReadAsync(response, _limits.MaxBytes, clock);
            PullThroughMetrics.Fetched(source.Key, bytes.Length);
            return bytes;
        }
        catch (IOException e)
        {
            source.Report(response.Endpoint, wrong: false);
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"upstream {source.Key} broke off {what} of {source.Name}: {e.Message}", inner: e);
        }
        catch (InvalidDataException e)
        {
            throw source.Misbehaved($"{what}: {e.Message}");
        }
    }

    private StoredManifest Parse(Digest digest, string? contentType, byte[] bytes)
    {
        var (manifest, problem) = ManifestReader.Read(bytes, contentType, _limits);
        return manifest is not null
            ? new(digest, manifest, bytes) { IsStored = false }
            : throw source.Misbehaved($"{digest} is no manifest: {problem!.Message}");
    }

    private UpstreamException WrongBytes(UpstreamResponse response, Digest wanted, Digest actual)
    {
        source.Report(response.Endpoint, wrong: true);
        PullThroughMetrics.IntegrityFailure("upstream");
        Log.WrongBytes(logger, wanted, source.Key, $"a manifest with digest {actual} came");
        return source.Misbehaved($"asked for manifest {wanted} it sent {actual}");
    }

    private Result<StoredManifest>.Absent Absent(Digest digest, int? status)
    {
        _absent.Set(digest, status, Freshness.OfAbsence(source.Options));
        return new(UpstreamAnswers.Refused(source, status));
    }

    private Provenance Missed(bool joined) =>
        new() { Upstream = source.Key, Forward = "uri-miss", ForwardStatus = 200, Collapsed = joined };
}
