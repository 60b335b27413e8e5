using System.Runtime.CompilerServices;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <param name="References">At most <see cref="ImagePrefetch.MaxReferences"/>.</param>
/// <param name="Platforms">Of an index, only these; all of them when empty.</param>
internal sealed record PrefetchRequest(IReadOnlyList<string> References, IReadOnlyList<string>? Platforms = null);

/// <summary>What became of one reference.</summary>
/// <param name="Digest">Of the manifest or index; null when it could not be had.</param>
/// <param name="Bytes">Of its blobs.</param>
/// <param name="FetchedBytes">Of those, what had to come from the upstream.</param>
/// <param name="Problem">Why it, or some of it, is not here; null when all is.</param>
internal sealed record PrefetchOutcome(string Reference, string? Digest, long Bytes, long FetchedBytes, string? Problem);

/// <summary>Pulls images ahead of need through the gate, as a client would, and waits for them.</summary>
internal static class ImagePrefetch
{
    /// <summary>Of one request; a larger list comes in parts.</summary>
    public const int MaxReferences = 1000;

    // Clients pull three layers at a time (containerd, dockerd); two, since somebody else may be pulling.
    private const int BlobsAtATime = 2;

    /// <summary>Images that are pulled side by side. Chosen: with two blobs each, no more connections than two clients open.</summary>
    private const int ImagesAtATime = 3;

    private static readonly Caller Operator = new("operator", AccessActions.Pull);

    /// <summary>One outcome for each reference, each when it is known: a large image keeps no small one waiting.</summary>
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
            return Failed($"no upstream of this gateway is {image.Registry}; add it under upstreams, or to the namespaces of one");
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
            problem = $"the index has nothing for {string.Join(", ", platforms)}";
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
        _ => "the upstream has no such manifest, or does not give it to this gateway",
    };
}
