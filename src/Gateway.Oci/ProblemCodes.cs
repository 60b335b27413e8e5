namespace Gateway.Oci;

/// <summary>
/// The codes of <see cref="ManifestProblem"/>. Stable: tools match on them. All are 400 <c>MANIFEST_INVALID</c> except where noted.
/// </summary>
public static class ProblemCodes
{
    /// <summary>Not one JSON object in UTF-8: wrong syntax, trailing bytes, a byte order mark, a lone surrogate.</summary>
    public const string NotJson = "NOT_JSON";

    /// <summary>A key is in one object twice, as written or with case folded.</summary>
    public const string DuplicateKey = "DUPLICATE_KEY";

    /// <summary>A key that equals a known key only when case is folded.</summary>
    public const string AmbiguousKey = "AMBIGUOUS_KEY";

    /// <summary>A document that can be read as two types.</summary>
    public const string AmbiguousDocument = "AMBIGUOUS_DOCUMENT";

    /// <summary>The content type, the body's media type and the body's fields differ.</summary>
    public const string MediaMismatch = "MEDIA_MISMATCH";

    /// <summary>A required field is missing.</summary>
    public const string FieldMissing = "FIELD_MISSING";

    /// <summary>A field has a value that the image-spec does not allow.</summary>
    public const string FieldInvalid = "FIELD_INVALID";

    /// <summary>Not a media type of RFC 6838, or one with parameters.</summary>
    public const string MediaTypeInvalid = "MEDIA_TYPE_INVALID";

    /// <summary>Not a digest that the gateway accepts.</summary>
    public const string DigestInvalid = "DIGEST_INVALID";

    /// <summary>Inline data that does not match the digest and size of its descriptor.</summary>
    public const string DataMismatch = "DATA_MISMATCH";

    /// <summary>A Docker schema 1 document: 415 <c>UNSUPPORTED</c>.</summary>
    public const string Schema1 = "SCHEMA1";

    /// <summary>A content type other than those of the four documents that the gateway stores: 415 <c>UNSUPPORTED</c>.</summary>
    public const string UnsupportedType = "UNSUPPORTED_TYPE";

    /// <summary>More bytes than allowed: 413 <c>SIZE_INVALID</c>, as for the other limits.</summary>
    public const string LimitBytes = "LIMIT_BYTES";

    /// <summary>Nested too deeply.</summary>
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

    /// <summary>Whether a problem is an exceeded limit, which has the status 413.</summary>
    public static bool IsLimit(string code) => code.StartsWith("LIMIT_", StringComparison.Ordinal);
}
