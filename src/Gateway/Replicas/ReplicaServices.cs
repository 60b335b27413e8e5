using Gateway.Oci;

namespace Gateway.Replicas;

/// <summary>What each fetch among replicas needs.</summary>
/// <param name="Leases">Null without Redis.</param>
internal sealed record ReplicaServices(
    ReplicaSelf Self, Members Members, PeerClient Peers, TimeProvider Clock, ILogger<SharedFetches> Logger, LeaseStore? Leases = null)
{
    /// <summary>
    /// What the other replicas offer of some content, in the digest's own order; null for one that offers nothing. One that was slow or
    /// could not be reached is not asked for some seconds, because the upstream has the content too.
    /// </summary>
    public async Task<(Uri Url, PeerOffer? Offer)[]> AskAsync(Digest digest, CancellationToken cancellationToken)
    {
        var asked = Clock.GetTimestamp();
        return await Task.WhenAll(Members.OrderFor(digest).Select(async url =>
        {
            if (Members.IsSlow(url))
            {
                ReplicaMetrics.PeerFailed("slow");
                return (url, (PeerOffer?)null);
            }
            var (offer, answered, failed) = await Peers.AskAsync(url, digest, Peers.ProbeDeadline, cancellationToken);
            Members.Heard(url, asked, answered, failed);
            return (url, offer);
        }));
    }
}
