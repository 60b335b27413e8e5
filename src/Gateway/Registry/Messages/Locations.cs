using Gateway.Storage;

namespace Gateway.Registry;

/// <summary>Values of <c>Location</c>: relative, so that they hold behind any proxy, and with the <c>ns</c> that the request had.</summary>
internal static class Locations
{
    public static string Manifest(Target target, Digest digest) => $"/v2/{target.Repository}/manifests/{digest}{Namespace(target)}";

    public static string Blob(Target target, Digest digest) => $"/v2/{target.Repository}/blobs/{digest}{Namespace(target)}";

    /// <summary>
    /// An upload session at its present length: a client that sends the same bytes twice sends them to the same place, which is then no
    /// longer the session's end. Clients take what follows the id as a part of it.
    /// </summary>
    public static string Session(Target target, Upload upload) =>
        $"/v2/{target.Repository}/blobs/uploads/{upload.Id}-{upload.Length}{Namespace(target)}";

    private static string Namespace(Target target) => target.Query.Namespace is { } ns ? $"?ns={Uri.EscapeDataString(ns)}" : "";
}
