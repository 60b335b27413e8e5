using System.Runtime.CompilerServices;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <param name="References">At most <see cref="ImagePrefetch.MaxReferences"/>.</param>
/// <param name="Platforms">Platforms of an index to fetch; empty for all.</param>
internal sealed record PrefetchRequest(IReadOnlyList<string> References, IReadOnlyList<string>? Platforms = null);

/// <summary>The result for one reference.</summary>
/// <param name="Digest">Of the manifest or index; null if it could not be fetched.</param>
/// <param name="Bytes">Total bytes of its blobs.</param>
/// <param name="FetchedBytes">The part that was fetched from the upstream.</param>
/// <param name="Problem">Why it is not cached, or not completely; null if it is.</param>
internal sealed record PrefetchOutcome(string Reference, string? Digest, long Bytes, long FetchedBytes, string? Problem);

/// <summary>Pulls images in advance through the gate, like a client, and waits for them.</summary>
internal static class ImagePrefetch
{
    /// <summary>Maximum references of one request; the command splits a longer list.</summary>
    public const int MaxReferences = 1000;

    // Clients pull three layers at a time (containerd, dockerd); two leave room for concurrent pulls.
    private const int BlobsAtATime = 2;

    /// <summary>Images pulled concurrently; with two blobs each, they use no more connections than two clients.</summary>
    private const int ImagesAtATime = 3;

    private static readonly Caller Operator = new("operator", AccessActions.Pull);

    /// <summary>One result for each reference, as soon as it is known: a large image does not delay a small one.</summary>
    public static async IAsyncEnumerable<PrefetchOutcome> RunAsync(
        RepositoryRouter router, PrefetchRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var waiting = new Queue<string>(request.References);
        var pulling = new List<Task<PrefetchOutcome>>();
        while (waiting.Count > 0 || pulling.Count > 0)
        {
            while (pulling.Count < ImagesAtATime && waiting.TryDequeue(out var next))
                pulling.Add(PullAsync(router, next, request.Platforms ?? [], cancellationToken));
            var done = await Task.WhenAny(pulling);
            pulling.Remove(done);
            yield return await done;
        }
    }

    private static async Task<PrefetchOutcome> PullAsync(
        RepositoryRouter router, string reference, IReadOnlyList<string> platforms, CancellationToken cancellationToken)
    {
        if (ImageReference.Parse(reference) is not { } image)
            return Failed("expected a name such as nginx:1.27 or ghcr.io/org/app@sha256:…");
        if (router.Find(image)?.Repository is not { } repository)
            return Failed($"{image.Registry} is not an upstream of this gateway; add it to upstreams, or to the namespaces of one");
        var answer = await repository.GetManifestAsync(Operator, image.Reference, cancellationToken);
        if (answer is not Answer<StoredManifest>.Found { Value: var top }) return Failed(Why(answer));
        var (blobs, problem) = await BlobsOfAsync(repository, top, platforms, cancellationToken);
        var (bytes, fetched) = (0L, 0L);
        foreach (var some in blobs.DistinctBy(blob => blob.Digest).Chunk(BlobsAtATime))
        {
            var kept = await Task.WhenAll(some.Select(blob => repository.PrefetchBlobAsync(blob, cancellationToken).AsTask()));
            problem ??= kept.FirstOrDefault(each => each.Problem is not null).Problem;
            fetched += kept.Sum(each => each.FetchedBytes);
            bytes += some.Zip(kept).Where(each => each.Second.Problem is null).Sum(each => each.First.Size);
        }
        return new(reference, top.Digest.ToString(), bytes, fetched, problem);

        PrefetchOutcome Failed(string why) => new(reference, null, 0, 0, why);
    }

    private static async Task<(List<Descriptor> Blobs, string? Problem)> BlobsOfAsync(
        Repository repository, StoredManifest top, IReadOnlyList<string> platforms, CancellationToken cancellationToken)
    {
        var blobs = new List<Descriptor>(Own(top));
        string? problem = null;
        var children = top.Manifest.Children.Where(child => platforms.Count == 0 || IsFor(child.Platform, platforms)).ToArray();
        if (top.Manifest.IsIndex && children.Length == 0 && platforms.Count > 0)
            problem = $"expected {string.Join(", ", platforms)} in the index, got none";
        foreach (var child in children)
        {
            var answer = await repository.GetManifestAsync(Operator, new Reference(child.Digest), cancellationToken);
            if (answer is Answer<StoredManifest>.Found { Value: var manifest }) blobs.AddRange(Own(manifest));
            else problem ??= $"{child.Digest}: {Why(answer)}";
        }
        return (blobs, problem);
    }

    private static IEnumerable<Descriptor> Own(StoredManifest manifest) => manifest.Manifest.Blobs.Where(blob => blob.Urls.IsEmpty);

    private static bool IsFor(Platform? platform, IEnumerable<string> wanted) =>
        platform is not null && PrefetchOptions.Matches(wanted, PullThrough.PlatformDemand.Text(platform));

    private static string Why(Answer<StoredManifest> answer) => answer switch
    {
        Answer<StoredManifest>.Unavailable no => no.Why,
        Answer<StoredManifest>.Refused no => $"refused by policy, decision {no.Decision.Id}",
        Answer<StoredManifest>.Hidden no => $"hidden by policy, decision {no.Decision.Id}",
        _ => "the upstream has no such manifest, or does not allow this gateway to pull it",
    };
}
