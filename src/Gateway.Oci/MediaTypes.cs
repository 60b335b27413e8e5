namespace Gateway.Oci;

/// <summary>The media types that the gateway knows by name.</summary>
public static class MediaTypes
{
    /// <summary>OCI image manifest (image-spec, manifest.md).</summary>
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>OCI image index (image-spec, image-index.md).</summary>
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";

    /// <summary>Docker image manifest, schema 2.</summary>
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

    /// <summary>Docker manifest list.</summary>
    public const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>Docker schema 1, refused.</summary>
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json";

    /// <summary>Docker schema 1, signed, refused.</summary>
    public const string DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";

    /// <summary>OCI image configuration.</summary>
    public const string OciConfig = "application/vnd.oci.image.config.v1+json";

    /// <summary>The empty descriptor's type (image-spec, "Guidance for an empty descriptor").</summary>
    public const string OciEmpty = "application/vnd.oci.empty.v1+json";

    /// <summary>The <c>Accept</c> header for upstreams: the four documents that the gateway reads.</summary>
    public const string AcceptManifests = $"{OciIndex}, {OciManifest}, {DockerList}, {DockerManifest}";

    /// <summary>Whether this is the type of an index (OCI or Docker's list).</summary>
    public static bool IsIndex(string mediaType) => mediaType is OciIndex or DockerList;

    /// <summary>Whether this is the type of one of the four documents that the gateway stores.</summary>
    public static bool IsManifest(string mediaType) => mediaType is OciManifest or OciIndex or DockerManifest or DockerList;

    /// <summary>
    /// Whether this is <c>type/subtype</c> by the grammar of RFC 6838 §4.2: each at most 127 characters, without parameters and
    /// surrounding characters.
    /// </summary>
    public static bool IsWellFormed(ReadOnlySpan<char> mediaType) =>
        mediaType.IndexOf('/') is > 0 and var slash && IsName(mediaType[..slash]) && IsName(mediaType[(slash + 1)..]);

    private static bool IsName(ReadOnlySpan<char> name) =>
        name.Length is > 0 and <= 127 && char.IsAsciiLetterOrDigit(name[0]) && !name.ContainsAnyExcept(NameCharacters);

    private static readonly System.Buffers.SearchValues<char> NameCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+");
}
