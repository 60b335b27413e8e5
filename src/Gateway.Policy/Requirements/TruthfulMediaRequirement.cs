using Gateway.Policy.Media;

namespace Gateway.Policy;

/// <summary>
/// Requires that bytes are what their media type claims, as far as its name says it, and that the entries of an index agree with the
/// configs of its images. Absent bytes are evaluated when they are stored.
/// </summary>
internal sealed class TruthfulMediaRequirement(IReadOnlyCollection<MediaClaim> claims) : IRequirement
{
    private const string Fix = "push the content with the media type that it has";

    public FactKinds Needs => FactKinds.Contents | FactKinds.Configs;

    public void Check(Evaluation evaluation)
    {
        foreach (var blob in evaluation.Manifest.Blobs)
        {
            if (MediaClaims.IsEncrypted(blob.MediaType))
            {
                evaluation.Findings.Add(Opaque(blob, "is encrypted, so the gateway cannot check it", "exclude encrypted images"));
                continue;
            }
            var content = Contents.Of(evaluation, blob);
            if (content is null && !blob.Urls.IsEmpty && IsLookedAt(blob.MediaType))
                evaluation.Findings.Add(Opaque(
                    blob, "is stored elsewhere (urls), so the gateway cannot check it", "exclude images with such layers"));
            if (content is { IsUnread: false } && ProblemOf(blob.MediaType, content) is { } problem)
                evaluation.Findings.Add(Untruthful(blob, problem));
        }
        if (evaluation.Manifest.IsIndex) CheckEntries(evaluation);
    }

    private bool IsLookedAt(string type) =>
        (MediaClaims.PackingOf(type) == Packing.Gzip && claims.Contains(MediaClaim.Gzip))
        || (MediaClaims.PackingOf(type) == Packing.Zstd && claims.Contains(MediaClaim.Zstd))
        || (MediaClaims.IsTar(type) && claims.Contains(MediaClaim.Tar))
        || (MediaClaims.IsJson(type) && claims.Contains(MediaClaim.Json));

    private string? ProblemOf(string type, Content content)
    {
        var (packing, tar, json) = (MediaClaims.PackingOf(type), MediaClaims.IsTar(type), MediaClaims.IsJson(type));
        if (packing != Packing.None && !claims.Contains(packing == Packing.Gzip ? MediaClaim.Gzip : MediaClaim.Zstd)) return null;
        if (packing != Packing.None && content.Packing != packing)
            return $"not {packing.ToString().ToLowerInvariant()} but {Text(content)}";
        if (packing != Packing.None && content.Flaw is { } flaw) return flaw;
        if (tar && claims.Contains(MediaClaim.Tar) && (content.Form != ContentForm.Tar || content.Packing != packing))
            return $"not a tar archive but {Text(content)}";
        if (tar && claims.Contains(MediaClaim.Tar) && content.Flaw is { } broken) return broken;
        if (json && claims.Contains(MediaClaim.Json) && (content.Form != ContentForm.Json || content.Packing != Packing.None))
            return $"not a JSON object but {Text(content)}";
        return null;
    }

    private static void CheckEntries(Evaluation evaluation)
    {
        foreach (var image in ImagesBelow.Of(evaluation.Input, evaluation.Digest, evaluation.Manifest))
        {
            if (image is not { Entry.Platform: { } said, Config: { } config }) continue;
            if (Agrees(said.Os, config.Os) && Agrees(said.Architecture, config.Architecture)) continue;
            var (entry, truth) = ($"{said.Os}/{said.Architecture}", $"{config.Os}/{config.Architecture}");
            evaluation.Findings.Add(new(
                ReasonCodes.PlatformMismatch,
                $"the index says {Printable.Quote(entry)} for {image.Digest.ToString()[..19]}, its config says {Printable.Quote(truth)}",
                "build the index again")
            {
                Path = image.Digest.ToString(), Expected = truth, Found = entry,
            });
        }
    }

    private static bool Agrees(string said, string truth) => said.Length == 0 || said == truth;

    private static Finding Opaque(Descriptor blob, string why, string leave) => new(
        ReasonCodes.MediaOpaque, $"{blob.Digest.ToString()[..19]} ({blob.MediaType}) {why}", $"{leave} from the rule's repositories")
    {
        Path = blob.Digest.ToString(), Expected = "content that can be looked into", Found = blob.MediaType,
    };

    private static Finding Untruthful(Descriptor blob, string problem) => new(
        ReasonCodes.MediaUntruthful, $"{blob.Digest.ToString()[..19]} says {blob.MediaType} and is {problem}", Fix)
    {
        Path = blob.Digest.ToString(), Expected = blob.MediaType, Found = problem,
    };

    private static string Text(Content content)
    {
        var form = content.Form switch
        {
            ContentForm.Tar => "a tar archive", ContentForm.Json => "JSON", ContentForm.Empty => "nothing", _ => "something else",
        };
        return content.Packing == Packing.None ? form : $"{form} in {content.Packing.ToString().ToLowerInvariant()}";
    }
}
