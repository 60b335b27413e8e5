using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>How long a root's content lives; the number stands in the index's keys.</summary>
internal enum Lifetime : byte
{
    /// <summary>What clients pushed: only collection removes it.</summary>
    Pushed = 1,

    /// <summary>What was fetched: only eviction removes it.</summary>
    Cached = 2,

    /// <summary>What was accepted for an upstream and is not there yet: it goes when it has arrived, or a day after its last use.</summary>
    Staged = 3,
}

/// <summary>
/// One tree in CNCF distribution's layout; the only place that builds a path below it (distribution, registry/storage/paths.go, says the
/// same paths in Go).
/// </summary>
internal sealed class Root(string folder, Lifetime lifetime)
{
    internal Lifetime Lifetime { get; } = lifetime;

    public string Repositories { get; } = Path.Combine(folder, "repositories");

    public string Blobs { get; } = Path.Combine(folder, "blobs");

    /// <summary>The bytes of some content.</summary>
    public string Data(Digest digest) => $"{Blobs}/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    public string Repository(string repository) => $"{Repositories}/{repository}";

    /// <summary>The file that says "this repository has this blob"; its content is the digest under which the bytes lie.</summary>
    public string BlobLink(string repository, Digest digest) => $"{Layers(repository, digest.AlgorithmName)}/{digest.Hex}/link";

    public string Layers(string repository, string algorithm) => $"{Repositories}/{repository}/_layers/{algorithm}";

    public string ManifestLink(string repository, Digest digest) => $"{Revisions(repository, digest.AlgorithmName)}/{digest.Hex}/link";

    public string Link(string repository, LinkKind kind, Digest digest) =>
        kind == LinkKind.Blob ? BlobLink(repository, digest) : ManifestLink(repository, digest);

    public string Revisions(string repository, string algorithm) => $"{Repositories}/{repository}/_manifests/revisions/{algorithm}";

    public string Tags(string repository) => $"{Repositories}/{repository}/_manifests/tags";

    public string Tag(string repository, TagName tag) => $"{Tags(repository)}/{tag.Value}";

    public string TagLink(string repository, TagName tag) => $"{Tag(repository, tag)}/current/link";

    /// <summary>What distribution has no place for; it ignores folders that begin with an underscore.</summary>
    public string Own(string repository) => $"{Repositories}/{repository}/_gateway";

    public string Referrers(string repository) => $"{Own(repository)}/referrers";

    public string Referrers(string repository, Digest subject) => $"{Referrers(repository)}/{subject.AlgorithmName}/{subject.Hex}";

    public string Referrer(string repository, Digest subject, Digest referrer) =>
        $"{Referrers(repository, subject)}/{referrer.AlgorithmName}-{referrer.Hex}";

    public string Listed(string repository) => $"{Own(repository)}/listed";

    /// <summary>What an upstream lists as referrers of a subject.</summary>
    public string Listed(string repository, Digest subject) => $"{Listed(repository)}/{subject.AlgorithmName}-{subject.Hex}";

    public string Evidence(string repository) => $"{Own(repository)}/evidence";

    /// <summary>What was pushed as evidence about a subject by its tag: an empty file for each.</summary>
    public string Evidence(string repository, Digest subject) => $"{Evidence(repository)}/{subject.AlgorithmName}/{subject.Hex}";

    public string Evidence(string repository, Digest subject, Digest evidence) =>
        $"{Evidence(repository, subject)}/{evidence.AlgorithmName}-{evidence.Hex}";

    /// <summary>The tags that wait, a file each.</summary>
    public string HeldPushes(string repository) => $"{Own(repository)}/offers";

    public string HeldPush(string repository, TagName tag) => $"{HeldPushes(repository)}/{tag.Value}";

    /// <summary>What an upstream is still to get, a file for each push.</summary>
    public string Forwards(string repository) => $"{Own(repository)}/forwards";

    public string Forward(string repository, long sequence) => $"{Forwards(repository)}/{sequence}";

    /// <summary>What a tag was bound to before, the last one first.</summary>
    public string History(string repository, TagName tag) => $"{Own(repository)}/history/{tag.Value}";

    /// <summary>Which revisions were last searched for subjects, as the times of their folders.</summary>
    public string Scanned(string repository) => $"{Own(repository)}/scanned";

    /// <summary>First-seen times, one line each; they decide what a retired key may still vouch for.</summary>
    public string Seen(string repository) => $"{Own(repository)}/seen";
}
