namespace Gateway.Storage;

/// <summary>How long the content of a root lives; keys of the lookup index contain the number.</summary>
internal enum Lifetime : byte
{
    /// <summary>Content that clients pushed; only garbage collection removes it.</summary>
    Pushed = 1,

    /// <summary>Content that was fetched from an upstream; only eviction and purges remove it.</summary>
    Cached = 2,

    /// <summary>
    /// Content that was accepted for an upstream and is not there yet. It is removed when the upstream has it, or a day after its last use.
    /// </summary>
    Staged = 3,
}

/// <summary>
/// One tree in the layout of CNCF distribution. Only this type builds paths below it (distribution, registry/storage/paths.go, has the same
/// paths in Go).
/// </summary>
/// <param name="isShared">Whether it is this replica's copy of metadata whose truth is the logs of a bucket.</param>
internal sealed class Root(string folder, Lifetime lifetime, bool isShared = false)
{
    internal Lifetime Lifetime { get; } = lifetime;

    public bool IsShared { get; } = isShared;

    public string Repositories { get; } = Path.Combine(folder, "repositories");

    public string Blobs { get; } = Path.Combine(folder, "blobs");

    /// <summary>The bytes of some content.</summary>
    public string Data(Digest digest) => $"{Blobs}/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    public string Repository(string repository) => $"{Repositories}/{repository}";

    /// <summary>The file that says that the repository has this blob; it contains the digest under which the bytes are stored.</summary>
    public string BlobLink(string repository, Digest digest) => $"{Layers(repository, digest.AlgorithmName)}/{digest.Hex}/link";

    public string Layers(string repository, string algorithm) => $"{Repositories}/{repository}/_layers/{algorithm}";

    public string ManifestLink(string repository, Digest digest) => $"{Revisions(repository, digest.AlgorithmName)}/{digest.Hex}/link";

    public string Link(string repository, LinkKind kind, Digest digest) =>
        kind == LinkKind.Blob ? BlobLink(repository, digest) : ManifestLink(repository, digest);

    public string Revisions(string repository, string algorithm) => $"{Repositories}/{repository}/_manifests/revisions/{algorithm}";

    public string Tags(string repository) => $"{Repositories}/{repository}/_manifests/tags";

    public string Tag(string repository, TagName tag) => $"{Tags(repository)}/{tag.Value}";

    public string TagLink(string repository, TagName tag) => $"{Tag(repository, tag)}/current/link";

    /// <summary>
    /// The folder for files that distribution does not define; distribution ignores folders that begin with an underscore.
    /// </summary>
    public string Own(string repository) => $"{Repositories}/{repository}/_gateway";

    public string Referrers(string repository) => $"{Own(repository)}/referrers";

    public string Referrers(string repository, Digest subject) => $"{Referrers(repository)}/{subject.AlgorithmName}/{subject.Hex}";

    public string Referrer(string repository, Digest subject, Digest referrer) =>
        $"{Referrers(repository, subject)}/{referrer.AlgorithmName}-{referrer.Hex}";

    public string Listed(string repository) => $"{Own(repository)}/listed";

    /// <summary>The list of a subject's referrers from an upstream.</summary>
    public string Listed(string repository, Digest subject) => $"{Listed(repository)}/{subject.AlgorithmName}-{subject.Hex}";

    public string Evidence(string repository) => $"{Own(repository)}/evidence";

    /// <summary>The evidence about a subject that was pushed under its tags: an empty file for each.</summary>
    public string Evidence(string repository, Digest subject) => $"{Evidence(repository)}/{subject.AlgorithmName}/{subject.Hex}";

    public string Evidence(string repository, Digest subject, Digest evidence) =>
        $"{Evidence(repository, subject)}/{evidence.AlgorithmName}-{evidence.Hex}";

    /// <summary>The removed manifests that had evidence: an empty file for each.</summary>
    public string Deleted(string repository) => $"{Own(repository)}/deleted";

    /// <summary>The held pushes, one file each.</summary>
    public string HeldPushes(string repository) => $"{Own(repository)}/offers";

    public string HeldPush(string repository, TagName tag) => $"{HeldPushes(repository)}/{tag.Value}";

    /// <summary>The manifests that an operator released, one file each.</summary>
    public string Releases(string repository) => $"{Own(repository)}/released";

    public string Release(string repository, Digest digest) => $"{Releases(repository)}/{digest.AlgorithmName}-{digest.Hex}";

    /// <summary>The pushes that must be forwarded to an upstream, one file each.</summary>
    public string Forwards(string repository) => $"{Own(repository)}/forwards";

    public string Forward(string repository, long sequence) => $"{Forwards(repository)}/{sequence}";

    /// <summary>The history of a tag, the latest digest first.</summary>
    public string History(string repository, TagName tag) => $"{Own(repository)}/history/{tag.Value}";

    /// <summary>The revisions that were last searched for subjects, as the times of their folders.</summary>
    public string Scanned(string repository) => $"{Own(repository)}/scanned";

    /// <summary>How far the log of a shared repository was applied here.</summary>
    public string Position(string repository) => $"{Own(repository)}/position";

    /// <summary>First-seen times, one line each; they decide which signatures of a retired key still count.</summary>
    public string Seen(string repository) => $"{Own(repository)}/seen";
}

/// <summary>The trees of a volume.</summary>
internal sealed record Roots(Root Pushed, Root Cached, Root Staged)
{
    public Root[] All { get; } = [Pushed, Cached, Staged];
}
