namespace Gateway.Oci.Tests.ClientView;

/// <summary>What our reader sees in a document and below it, as a client would have to ask for it.</summary>
/// <param name="content">Where the document is from.</param>
/// <param name="followsSubjects">Whether the client copies the subject along.</param>
internal sealed class OurView(ChanceDocuments content, bool followsSubjects)
{
    /// <summary>Every manifest and blob, by noun and digest; null where we refuse the document, or the registry what it names.</summary>
    public HashSet<string>? Of(Written document)
    {
        var (manifest, _) = ManifestReader.Read(document.Bytes, document.Type, new());
        if (manifest is null) return null;
        var seen = new HashSet<string> { $"manifests {document.Digest}" };
        // Docker's formats know no subject; what follows those of OCI lets it stand there.
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

    // As a push is checked: a child is what the index calls it, and what is a manifest is called one.
    private HashSet<string>? Below(Descriptor named) =>
        content.Manifests.TryGetValue(named.Digest.ToString(), out var child)
            ? child.Type == named.MediaType && child.Bytes.Length == named.Size ? Of(child) : null
            : !MediaTypes.IsManifest(named.MediaType) && Blob(named) is { } blob ? [blob] : null;

    private string? Blob(Descriptor named) =>
        content.Blobs.TryGetValue(named.Digest.ToString(), out var bytes) && bytes.Length == named.Size ? $"blobs {named.Digest}" : null;
}
