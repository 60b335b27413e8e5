namespace Gateway.Oci;

/// <summary>The limits of a document; the defaults are those of <c>policy.parser</c> (docs/configuration.md).</summary>
public sealed record ManifestLimits
{
    /// <summary>
    /// The limits without a policy: annotations can fill the document, because the distribution-spec limits only the whole.
    /// </summary>
    public static ManifestLimits Plain { get; } = new() { MaxAnnotationBytes = 4 * 1024 * 1024 };

    /// <summary>Largest document in bytes. The distribution-spec requires at least 4 MiB.</summary>
    public int MaxBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Deepest nesting of the JSON.</summary>
    public int MaxDepth { get; init; } = 32;

    /// <summary>Most descriptors in one document.</summary>
    public int MaxDescriptors { get; init; } = 2000;

    /// <summary>Most bytes of annotations in one document.</summary>
    public int MaxAnnotationBytes { get; init; } = 256 * 1024;

    /// <summary>
    /// Most annotations in one document, counted over the document and all its descriptors: five for each descriptor that it can have.
    /// Chosen: the tools that write the most (eStargz, SOCI, BuildKit) write up to five for each layer.
    /// </summary>
    public int MaxAnnotations => 5 * MaxDescriptors;

    /// <summary>Most <c>urls</c> in one document; the same number. Layers of Windows have one each.</summary>
    public int MaxUrls => 5 * MaxDescriptors;
}

/// <summary>Why bytes are not a manifest that every client reads in the same way.</summary>
/// <param name="Code">A stable reason code, such as <c>DUPLICATE_KEY</c>.</param>
/// <param name="Message">One printable line: what was expected, what was received, and where.</param>
public sealed record ManifestProblem(string Code, string Message);

/// <summary>Reads an image manifest or index, and refuses ambiguous documents (CVE-2021-41190 and similar). Pure.</summary>
public static class ManifestReader
{
    /// <summary>Reads a document. Exactly one of the two results is null.</summary>
    /// <param name="bytes">The document exactly as received.</param>
    /// <param name="contentType">The content type of the sender, without parameters; null when only the body counts (for stored
    /// documents).</param>
    public static (Manifest? Manifest, ManifestProblem? Problem) Read(
        ReadOnlyMemory<byte> bytes, string? contentType, ManifestLimits limits)
    {
        try
        {
            CheckContentType(contentType);
            if (bytes.Length > limits.MaxBytes)
                throw new ManifestProblemException(
                    ProblemCodes.LimitBytes, $"expected at most {limits.MaxBytes} bytes, got {bytes.Length}");
            return (Document.Read(bytes.Span, limits).ToManifest(contentType), null);
        }
        catch (ManifestProblemException e)
        {
            return (null, e.Problem);
        }
    }

    private static void CheckContentType(string? contentType)
    {
        if (contentType is null || MediaTypes.IsManifest(contentType)) return;
        throw contentType is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed
            ? new ManifestProblemException(ProblemCodes.Schema1, "Docker schema 1 is not supported; push schema 2 or an OCI manifest")
            : new ManifestProblemException(
                ProblemCodes.UnsupportedType,
                $"expected one of the content types {MediaTypes.AcceptManifests}, got {Printable.Quote(contentType)}");
    }
}
