namespace Gateway.Policy.Signatures;

/// <summary>Reads signed payloads.</summary>
internal static class PayloadReader
{
    // The limits of sigstore-go (GHSA-cq38-jh5f-37mq).
    private const int MaxSubjects = 1024;
    private const int MaxDigests = 32;

    // Predicates nest deeper than manifests.
    private const int MaxDepth = 64;

    private static readonly KeySet PayloadKeys = new("critical", "optional");
    private static readonly KeySet CriticalKeys = new("identity", "image", "type");
    private static readonly KeySet IdentityKeys = new("docker-reference");
    private static readonly KeySet ImageKeys = new("docker-manifest-digest");
    private static readonly KeySet StatementKeys = new("_type", "predicateType", "subject", "predicate");
    private static readonly KeySet SubjectKeys = new("name", "digest", "annotations", "uri", "content", "downloadLocation", "mediaType");

    /// <summary>
    /// Reads a simple-signing payload (cosign, SIGNATURE_SPEC.md). <c>optional</c> belongs to the signer and is ignored.
    /// </summary>
    public static Claims.SimpleSigning SimpleSigning(ReadOnlySpan<byte> utf8)
    {
        var json = new StrictJson(utf8, MaxDepth);
        string? digest = null, reference = null, type = null;
        var keys = json.OpenObject(PayloadKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "critical") ReadCritical(ref json, ref digest, ref reference, ref type);
            else json.SkipUnchecked();
        }
        json.End();
        return digest is null || type is null
            ? throw json.Problem(ProblemCodes.FieldMissing, "expected critical.image.docker-manifest-digest and critical.type, got none")
            : new(digest, reference, type);
    }

    private static void ReadCritical(ref StrictJson json, ref string? digest, ref string? reference, ref string? type)
    {
        var keys = json.OpenObject(CriticalKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "type") type = json.TextValue();
            else if (key == "image") digest = ReadOnly(ref json, ImageKeys);
            else reference = ReadOnly(ref json, IdentityKeys);
        }
    }

    private static string? ReadOnly(ref StrictJson json, KeySet known)
    {
        string? value = null;
        var keys = json.OpenObject(known);
        while (json.NextKey(ref keys) is not null) value = json.TextValue();
        return value;
    }

    /// <summary>
    /// Reads an in-toto statement, v0.1 or v1 (in-toto/attestation, spec/v1/statement.md). The predicate is not parsed; cosign 3.0.0 to
    /// 3.0.4 omitted that of a signature.
    /// </summary>
    public static Claims.Statement Statement(ReadOnlyMemory<byte> utf8)
    {
        var json = new StrictJson(utf8.Span, MaxDepth);
        string? type = null, predicateType = null;
        ImmutableArray<string> subjects = [];
        Range predicate = default;
        var keys = json.OpenObject(StatementKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "_type") type = json.TextValue();
            else if (key == "predicateType") predicateType = json.TextValue();
            else if (key == "subject") subjects = ReadSubjects(ref json);
            else predicate = json.SkipUnchecked();
        }
        json.End();
        if (type is not ("https://in-toto.io/Statement/v1" or "https://in-toto.io/Statement/v0.1"))
            throw json.Problem(
                ProblemCodes.FieldInvalid, $"_type: expected an in-toto statement, v1 or v0.1, got {Printable.Quote(type ?? "")}");
        if (predicateType is null) throw json.Problem(ProblemCodes.FieldMissing, "expected a statement with predicateType, got none");
        return new(predicateType, subjects, utf8[predicate]);
    }

    private static ImmutableArray<string> ReadSubjects(ref StrictJson json)
    {
        var digests = ImmutableArray.CreateBuilder<string>();
        var count = 0;
        json.OpenArray();
        while (json.NextItem())
        {
            if (++count > MaxSubjects) throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {MaxSubjects} subjects, got more");
            var keys = json.OpenObject(SubjectKeys);
            while (json.NextKey(ref keys) is { } key)
            {
                if (key == "digest") ReadDigests(ref json, digests);
                else json.SkipUnchecked();
            }
        }
        return digests.DrainToImmutable();
    }

    private static void ReadDigests(ref StrictJson json, ImmutableArray<string>.Builder digests)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        json.OpenMap();
        while (json.NextMember(out var algorithm, out var hex))
        {
            if (!seen.Add(algorithm)) throw json.Problem(ProblemCodes.DuplicateKey, "expected each algorithm once, got one twice");
            if (seen.Count > MaxDigests)
                throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {MaxDigests} digests of a subject, got more");
            digests.Add($"{algorithm}:{hex}");
        }
    }
}
