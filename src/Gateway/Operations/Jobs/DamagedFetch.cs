using Gateway.Access;
using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Operations;

/// <summary>
/// Fetches damaged content for a scrub, through the gate and with the gateway's own credentials. It asks only repositories that gave the
/// digest to the gateway before, or that a push of it was accepted for: so no upstream learns a digest or a name that it does not know.
/// </summary>
internal static class DamagedFetch
{
    private static readonly Caller Operator = new("operator", AccessActions.All) { IsGateway = true };

    /// <summary>See <see cref="FetchAgain"/>.</summary>
    public static async ValueTask<string?> RunAsync(RepositoryRouter router, WantedContent wanted, CancellationToken stop)
    {
        string? why = null;
        foreach (var place in wanted.Places)
        {
            if (await FetchAsync(router, place, wanted, stop) is not { } problem) return null;
            why = $"{router.NameOf(place.Upstream, place.Name)}: {problem}";
        }
        return why ?? "no upstream is known to have it";
    }

    private static async ValueTask<string?> FetchAsync(
        RepositoryRouter router, CachedRepositories.Entry place, WantedContent wanted, CancellationToken stop)
    {
        if (router.UpstreamOf(place.Upstream) is not { } upstream) return "the upstream is no longer configured with this address";
        if (upstream.Auth == UpstreamAuth.Passthrough) return "the upstream needs a client's own credentials";
        if (router.Of(upstream, place.Name)?.Repository is not { } repository) return "no route leads to it";
        try
        {
            return wanted.IsManifest
                ? Why(await repository.GetManifestAsync(Operator, new Reference(wanted.Digest), stop))
                : await FetchBlobAsync(repository, wanted.Digest, stop);
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    private static async ValueTask<string?> FetchBlobAsync(Repository repository, Digest digest, CancellationToken stop)
    {
        var answer = await repository.OpenBlobAsync(Operator, digest, BlobUse.Whole, stop);
        if (answer is not Answer<IContent>.Found { Value: var opened }) return Why(answer);
        var counted = new CountedBody();
        await using (opened) await opened.CopyToAsync(counted, 0, null, stop);
        // The last byte arrives before the file has its place.
        return (await repository.PrefetchBlobAsync(new("application/octet-stream", digest, counted.Length), stop)).Problem;
    }

    private static string? Why<T>(Answer<T> answer) => answer switch
    {
        Answer<T>.Found => null,
        Answer<T>.Unavailable no => no.Why,
        Answer<T>.Refused no => $"refused by policy, decision {no.Decision.Id}",
        Answer<T>.Hidden no => $"hidden by policy, decision {no.Decision.Id}",
        _ => "it does not exist there, or no admitted manifest names it",
    };

    /// <summary>Counts the bytes of a body, and keeps none.</summary>
    private sealed class CountedBody : IBodyWriter
    {
        public long Length { get; private set; }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Length += bytes.Length;
            return default;
        }

        public ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
        {
            Length += count;
            return default;
        }
    }
}
