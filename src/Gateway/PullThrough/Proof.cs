using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// An upstream, asked with one client's own credentials, and whether it shows the client one repository. Each manifest and blob that it
/// answers for proves that for <c>provenFor</c>; a 401 or 403 ends the proof (docs/design/0011-private-content.md).
/// </summary>
internal sealed class Proof(IUpstreamRegistry asClient, TimeSpan provenFor, TimeProvider clock) : IUpstreamRegistry
{
    // Ticks of the moment it was given; 0 for none.
    private long _given;

    /// <summary>Whether what is kept of the repository may be shown to this client now.</summary>
    public bool Holds
    {
        get
        {
            // A proof in the future does not hold: the clock has been set back since.
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
        // A list of referrers proves nothing: some registries answer it to every client, and many without it answer 401. Nor does a push.
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
