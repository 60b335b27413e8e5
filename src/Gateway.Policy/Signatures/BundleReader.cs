namespace Gateway.Policy.Signatures;

/// <summary>Reads a sigstore bundle, v0.1 to v0.3 (protobuf-specs, sigstore_bundle.proto, in protobuf's JSON).</summary>
internal static class BundleReader
{
    // The limits of sigstore-go (GHSA-cq38-jh5f-37mq).
    private const int MaxEntries = 32;
    private const int MaxTimestamps = 32;

    private const int MaxCertificate = 64 * 1024;
    private const int MaxChain = 10;

    private static readonly KeySet BundleKeys = new("mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope");

    private static readonly KeySet MaterialKeys = new(
        "publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData");

    private static readonly KeySet HintKeys = new("hint");
    private static readonly KeySet CertificateKeys = new("rawBytes");
    private static readonly KeySet ChainKeys = new("certificates");
    private static readonly KeySet TimestampKeys = new("rfc3161Timestamps");
    private static readonly KeySet StampKeys = new("signedTimestamp");

    // What the bundle contains beside the signature.
    private sealed class Fields
    {
        public string? MediaType { get; set; }
        public Envelope? Envelope { get; set; }
        public bool HasMessageSignature { get; set; }
        public int Signers { get; set; }
        public string? Hint { get; set; }
        public bool HasChain { get; set; }
        public ImmutableArray<ReadOnlyMemory<byte>> Certificates { get; set; } = [];
        public ImmutableArray<LogEntry> Entries { get; set; } = [];
        public ImmutableArray<ReadOnlyMemory<byte>> Timestamps { get; set; } = [];
    }

    public static SignatureMaterial Read(EvidenceLayer layer, ReadOnlyMemory<byte> bytes)
    {
        var json = new StrictJson(bytes.Span, maxDepth: 16);
        var fields = new Fields();
        var keys = json.OpenObject(BundleKeys);
        while (json.NextKey(ref keys) is { } key) ReadField(ref json, key, fields);
        json.End();
        Check(fields);
        return fields.Envelope!.ToMaterial(layer, SignatureFormat.Bundle) with
        {
            KeyHint = fields.Hint ?? fields.Envelope.KeyHint,
            Certificate = fields.Certificates.IsEmpty ? NoBytes.Here : fields.Certificates[0],
            Chain = fields.Certificates.IsEmpty ? [] : fields.Certificates[1..],
            LogEntries = fields.Entries,
            Timestamps = fields.Timestamps,
        };
    }

    private static void ReadField(ref StrictJson json, string key, Fields fields)
    {
        switch (key)
        {
            case "mediaType": fields.MediaType = json.TextValue(); break;
            case "verificationMaterial": ReadMaterial(ref json, fields); break;
            case "dsseEnvelope": fields.Envelope = Envelope.Read(ref json); break;
            default:
                fields.HasMessageSignature = true;
                json.SkipValue();
                break;
        }
    }

    private static void ReadMaterial(ref StrictJson json, Fields fields)
    {
        var keys = json.OpenObject(MaterialKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "publicKey": (fields.Hint, fields.Signers) = (ReadHint(ref json), fields.Signers + 1); break;
                case "certificate": (fields.Certificates, fields.Signers) = ([ReadCertificate(ref json)], fields.Signers + 1); break;
                case "x509CertificateChain":
                    (fields.Certificates, fields.HasChain, fields.Signers) = (ReadChain(ref json), true, fields.Signers + 1);
                    break;
                case "tlogEntries": fields.Entries = ReadEntries(ref json); break;
                default: fields.Timestamps = ReadTimestamps(ref json); break;
            }
        }
    }

    private static void Check(Fields fields)
    {
        var version = fields.MediaType == EvidenceTypes.Bundle ? 3 : EvidenceTypes.OldBundles.IndexOf(fields.MediaType ?? "") + 1;
        if (version == 0)
            throw Problem($"mediaType: expected {EvidenceTypes.Bundle} or an older one, got {Printable.Quote(fields.MediaType ?? "")}");
        if (fields.HasMessageSignature)
            throw new UnusableSignatureException(
                ReasonCodes.SigWrongPredicate, "a bundle with a messageSignature: it signs bytes and does not say that it signs an image");
        if (fields.Envelope is null) throw Problem("expected a bundle with a dsseEnvelope, got none");
        if (fields.Signers != 1) throw Problem("expected exactly one of publicKey, certificate and x509CertificateChain");
        if (fields.HasChain && version == 3) throw Problem("expected a certificate in a bundle of v0.3, got x509CertificateChain");
        if (fields.Entries.Any(entry => version == 1 ? entry.SignedEntryTimestamp is null : entry.Proof is null))
            throw Problem($"expected log entries with {(version == 1 ? "inclusionPromise (v0.1)" : "inclusionProof")}, got one without");

        ManifestProblemException Problem(string message) => new(ProblemCodes.FieldInvalid, message);
    }

    private static string? ReadHint(ref StrictJson json)
    {
        string? hint = null;
        var keys = json.OpenObject(HintKeys);
        while (json.NextKey(ref keys) is not null) hint = json.TextValue();
        return hint;
    }

    private static ReadOnlyMemory<byte> ReadCertificate(ref StrictJson json)
    {
        byte[]? bytes = null;
        var keys = json.OpenObject(CertificateKeys);
        while (json.NextKey(ref keys) is not null) bytes = json.Base64(MaxCertificate);
        return bytes ?? throw json.Problem(ProblemCodes.FieldMissing, "expected a certificate with rawBytes, got none");
    }

    private static ImmutableArray<ReadOnlyMemory<byte>> ReadChain(ref StrictJson json)
    {
        var chain = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        var keys = json.OpenObject(ChainKeys);
        while (json.NextKey(ref keys) is not null)
        {
            json.OpenArray();
            while (json.NextItem())
            {
                if (chain.Count == MaxChain)
                    throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {MaxChain} certificates, got more");
                chain.Add(ReadCertificate(ref json));
            }
        }
        return chain.Count > 0 ? chain.DrainToImmutable() : throw json.Problem(
            ProblemCodes.FieldMissing, "expected certificates, got none");
    }

    private static ImmutableArray<LogEntry> ReadEntries(ref StrictJson json)
    {
        var entries = ImmutableArray.CreateBuilder<LogEntry>();
        var places = new HashSet<string>(StringComparer.Ordinal);
        json.OpenArray();
        while (json.NextItem())
        {
            if (entries.Count == MaxEntries)
                throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {MaxEntries} log entries, got more");
            var entry = LogEntryReader.Read(ref json);
            if (!places.Add($"{Convert.ToHexString(entry.LogId.Span)} {entry.LogIndex}"))
                throw json.Problem(ProblemCodes.FieldInvalid, "expected each log entry once, got one twice");
            entries.Add(entry);
        }
        return entries.DrainToImmutable();
    }

    private static ImmutableArray<ReadOnlyMemory<byte>> ReadTimestamps(ref StrictJson json)
    {
        var stamps = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        var keys = json.OpenObject(TimestampKeys);
        while (json.NextKey(ref keys) is not null)
        {
            json.OpenArray();
            while (json.NextItem())
            {
                if (stamps.Count == MaxTimestamps)
                    throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {MaxTimestamps} time stamps, got more");
                var stampKeys = json.OpenObject(StampKeys);
                while (json.NextKey(ref stampKeys) is not null) stamps.Add(LogEntryReader.ReadTimestamp(ref json));
            }
        }
        return stamps.DrainToImmutable();
    }
}
