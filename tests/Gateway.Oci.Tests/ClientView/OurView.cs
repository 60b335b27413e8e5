namespace Gateway.Oci.Tests.ClientView;

/// <summary>The content that the reader finds in a document and below it, as the requests of a client.</summary>
/// <param name="content">The source of the document.</param>
/// <param name="followsSubjects">Whether the client copies the subject too.</param>
internal sealed class OurView(ChanceDocuments content, bool followsSubjects)
{
    /// <summary>
    /// Every manifest and blob, by noun and digest; null when the reader refuses the document, or the registry its references.
    /// </summary>
    public HashSet<string>? Of(Written document)
    {
        var (manifest, _) = ManifestReader.Read(document.Bytes, document.Type, new());
        if (manifest is null) return null;
        var seen = new HashSet<string> { $"manifests {document.Digest}" };
        // Docker's formats have no subject; clients that follow the subject of OCI's formats ignore it there.
        var follows = followsSubjects && manifest is { Subject: not null, MediaType: MediaTypes.OciManifest or MediaTypes.OciIndex };
        foreach (var below in follows ? manifest.Children.Append(manifest.Subject!) : manifest.Children)
        {
            if (Below(below) is not { } more) return null;
            seen.UnionWith(more);
        }
        foreach (var blob in manifest.Blobs)
        {
            if (Blob(blob) is not { } one) return null;
            seen.Add(one);
        }
        return seen;
    }

    // As in the check of a push: a child has the type that the index states, and a manifest is listed as one.
    private HashSet<string>? Below(Descriptor named) =>
        content.Manifests.TryGetValue(named.Digest.ToString(), out var child)
            ? child.Type == named.MediaType && child.Bytes.Length == named.Size ? Of(child) : null
            : !MediaTypes.IsManifest(named.MediaType) && Blob(named) is { } blob ? [blob] : null;

    private string? Blob(Descriptor named) =>
        content.Blobs.TryGetValue(named.Digest.ToString(), out var bytes) && bytes.Length == named.Size ? $"blobs {named.Digest}" : null;
}
