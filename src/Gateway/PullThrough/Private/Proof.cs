using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// An upstream that is asked with one client's credentials, and the proof that the client may see one repository. Each manifest and blob
/// that the upstream answers for is proof for <c>provenFor</c>; a 401 or 403 ends the proof (docs/design/0011-private-content.md).
/// </summary>
internal sealed class Proof(IUpstreamRegistry asClient, TimeSpan provenFor, TimeProvider clock) : IUpstreamRegistry
{
    // The time of the last proof in ticks; 0 without proof.
    private long _given;

    /// <summary>Whether cached content of the repository may be shown to this client now.</summary>
    public bool Holds
    {
        get
        {
            // A proof in the future does not hold: the clock was set back since.
            var age = clock.GetUtcNow().UtcTicks - Volatile.Read(ref _given);
            return age >= 0 && age < provenFor.Ticks;
        }
    }

    public RegistryOptions Options => asClient.Options;

    public HeadUse Heads => asClient.Heads;

    public RateLimit? RateLimit => asClient.RateLimit;

    public IUpstreamRegistry As(Credential? client) => asClient.As(client);

    public void Report(Uri endpoint, bool wrong) => asClient.Report(endpoint, wrong);

    public async Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        // A list of referrers proves nothing: some registries send it to every client, and many without the API answer 401. Nor does a
        // push.
        var tells = request.Noun != UpstreamNoun.Referrers && !request.IsWrite;
        try
        {
            var response = await asClient.SendAsync(request, cancellationToken);
            if (tells && response.Status is 200 or 206 && request.Noun is UpstreamNoun.Manifest or UpstreamNoun.Blob)
                Volatile.Write(ref _given, clock.GetUtcNow().UtcTicks);
            return response;
        }
        catch (UpstreamException e) when (tells && e.Failure == UpstreamFailure.Unauthorized)
        {
            Volatile.Write(ref _given, 0);
            throw;
        }
    }
}
