namespace Gateway.Oci;

/// <summary>
/// The codes of <see cref="ManifestProblem"/>. Stable: tools match on them. All are 400 <c>MANIFEST_INVALID</c> but where noted.
/// </summary>
public static class ProblemCodes
{
    /// <summary>Not one JSON object in UTF-8: syntax, trailing bytes, a byte order mark, a lone surrogate.</summary>
    public const string NotJson = "NOT_JSON";

    /// <summary>A key twice in one object, as written or as a reader that folds case sees it.</summary>
    public const string DuplicateKey = "DUPLICATE_KEY";

    /// <summary>A key that only a reader that folds case takes for a known one.</summary>
    public const string AmbiguousKey = "AMBIGUOUS_KEY";

    /// <summary>A document that can be read as two kinds.</summary>
    public const string AmbiguousDocument = "AMBIGUOUS_DOCUMENT";

    /// <summary>The content type, the body's media type and the body's form differ.</summary>
    public const string MediaMismatch = "MEDIA_MISMATCH";

    /// <summary>A required field is missing.</summary>
    public const string FieldMissing = "FIELD_MISSING";

    /// <summary>A field has a value that the image-spec does not allow.</summary>
    public const string FieldInvalid = "FIELD_INVALID";

    /// <summary>Not a media type of RFC 6838, or one with parameters.</summary>
    public const string MediaTypeInvalid = "MEDIA_TYPE_INVALID";

    /// <summary>Not a digest that we accept.</summary>
    public const string DigestInvalid = "DIGEST_INVALID";

    /// <summary>Inline data that is not what its descriptor's digest and size say.</summary>
    public const string DataMismatch = "DATA_MISMATCH";

    /// <summary>A Docker schema 1 document: 415 <c>UNSUPPORTED</c>.</summary>
    public const string Schema1 = "SCHEMA1";

    /// <summary>A content type that is none of the four documents that we store: 415 <c>UNSUPPORTED</c>.</summary>
    public const string UnsupportedType = "UNSUPPORTED_TYPE";

    /// <summary>More bytes than a document may have: 413 <c>SIZE_INVALID</c>, as the other limits.</summary>
    public const string LimitBytes = "LIMIT_BYTES";

    /// <summary>Nested too deep.</summary>
    public const string LimitDepth = "LIMIT_DEPTH";

    /// <summary>Too many descriptors.</summary>
    public const string LimitDescriptors = "LIMIT_DESCRIPTORS";

    /// <summary>Too many annotations, or too many bytes of them.</summary>
    public const string LimitAnnotations = "LIMIT_ANNOTATIONS";

    /// <summary>Too many <c>urls</c>.</summary>
    public const string LimitUrls = "LIMIT_URLS";

    /// <summary>Too many keys that the image-spec does not know.</summary>
    public const string LimitKeys = "LIMIT_KEYS";

    /// <summary>Too much inline data.</summary>
    public const string LimitData = "LIMIT_DATA";

    /// <summary>Whether a problem is a limit that was exceeded, which is answered with 413.</summary>
    public static bool IsLimit(string code) => code.StartsWith("LIMIT_", StringComparison.Ordinal);
}
