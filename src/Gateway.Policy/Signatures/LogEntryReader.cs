using System.Text;

namespace Gateway.Policy.Signatures;

/// <summary>Reads transparency log entries and time stamps, from the annotations of cosign 2 and from the fields of a bundle.</summary>
internal static class LogEntryReader
{
    // Entries repeat the signature and its certificate, and for attestations the payload's hash. Rekor's own limit for a body is 100 KiB.
    private const int MaxBody = 128 * 1024;
    private const int MaxTimestamp = 64 * 1024;
    private const int MaxEntryTimestamp = 4096;
    private const int HashLength = 32; // SHA-256, RFC 6962 §2.1
    private const int MaxProof = 64; // a tree of 2^64 leaves
    private const int MaxLogId = 64;

    private static readonly KeySet AnnotationKeys = new("SignedEntryTimestamp", "Payload");
    private static readonly KeySet AnnotationPayloadKeys = new("body", "integratedTime", "logIndex", "logID");
    private static readonly KeySet TimestampAnnotationKeys = new("SignedRFC3161Timestamp");

    private static readonly KeySet EntryKeys = new(
        "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody");

    private static readonly KeySet LogIdKeys = new("keyId");
    private static readonly KeySet KindKeys = new("kind", "version");
    private static readonly KeySet EntryTimestampKeys = new("signedEntryTimestamp");
    private static readonly KeySet ProofKeys = new("logIndex", "rootHash", "treeSize", "hashes", "checkpoint");
    private static readonly KeySet CheckpointKeys = new("envelope");

    private sealed class Fields
    {
        public long LogIndex { get; set; }
        public byte[]? LogId { get; set; }
        public string? Kind { get; set; }
        public string? KindVersion { get; set; }
        public long IntegratedTime { get; set; }
        public byte[]? EntryTimestamp { get; set; }
        public InclusionProof? Proof { get; set; }
        public byte[]? Body { get; set; }

        public LogEntry ToEntry(StrictJson json) => new()
        {
            LogIndex = LogIndex,
            LogId = LogId ?? throw json.Problem(ProblemCodes.FieldMissing, "expected a log entry with the log's id, got none"),
            Kind = Kind,
            KindVersion = KindVersion,
            IntegratedTime = IntegratedTime == 0 ? null : Time(json),
            SignedEntryTimestamp = EntryTimestamp is null ? NoBytes.Here : EntryTimestamp,
            Proof = Proof,
            CanonicalizedBody = Body ?? throw json.Problem(ProblemCodes.FieldMissing, "expected a log entry with a body, got none"),
        };

        private DateTimeOffset Time(StrictJson json) => IntegratedTime <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds(IntegratedTime)
            : throw json.Problem(ProblemCodes.FieldInvalid, "integratedTime: expected seconds since 1970, got more than a date can be");
    }

    /// <summary>Reads the annotation <c>dev.sigstore.cosign/bundle</c>.</summary>
    public static LogEntry ReadAnnotation(string text)
    {
        var json = new StrictJson(Encoding.UTF8.GetBytes(text), maxDepth: 8);
        var fields = new Fields();
        var keys = json.OpenObject(AnnotationKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "Payload") ReadAnnotationPayload(ref json, fields);
            else fields.EntryTimestamp = json.Base64(MaxEntryTimestamp);
        }
        json.End();
        return fields.ToEntry(json);
    }

    private static void ReadAnnotationPayload(ref StrictJson json, Fields fields)
    {
        var keys = json.OpenObject(AnnotationPayloadKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "body") fields.Body = json.Base64(MaxBody);
            else if (key == "integratedTime") fields.IntegratedTime = json.WholeNumber();
            else if (key == "logIndex") fields.LogIndex = json.WholeNumber();
            else fields.LogId = ReadHex(ref json);
        }
    }

    private static byte[] ReadHex(ref StrictJson json)
    {
        var hex = json.TextValue();
        var bytes = new byte[HashLength];
        var read = Convert.FromHexString(hex, bytes, out _, out var length);
        return read == System.Buffers.OperationStatus.Done && length == HashLength
            ? bytes
            : throw json.Expected("a log's id of 64 hex characters");
    }

    /// <summary>Reads the annotation <c>dev.sigstore.cosign/rfc3161timestamp</c>.</summary>
    public static ReadOnlyMemory<byte> ReadTimestampAnnotation(string text)
    {
        var json = new StrictJson(Encoding.UTF8.GetBytes(text), maxDepth: 8);
        byte[]? stamp = null;
        var keys = json.OpenObject(TimestampAnnotationKeys);
        while (json.NextKey(ref keys) is not null) stamp = ReadTimestamp(ref json);
        json.End();
        return stamp ?? throw json.Problem(ProblemCodes.FieldMissing, "expected SignedRFC3161Timestamp, got none");
    }

    /// <summary>Reads the time stamp at the current token, in base64.</summary>
    public static byte[] ReadTimestamp(ref StrictJson json) => json.Base64(MaxTimestamp);

    /// <summary>Reads the entry of a bundle at the current token.</summary>
    public static LogEntry Read(ref StrictJson json)
    {
        var fields = new Fields();
        var keys = json.OpenObject(EntryKeys);
        while (json.NextKey(ref keys) is { } key) ReadField(ref json, key, fields);
        return fields.ToEntry(json);
    }

    private static void ReadField(ref StrictJson json, string key, Fields fields)
    {
        switch (key)
        {
            case "logIndex": fields.LogIndex = json.WholeNumberOrText(); break;
            case "logId": fields.LogId = ReadBytes(ref json, LogIdKeys, MaxLogId); break;
            case "kindVersion": ReadKind(ref json, fields); break;
            case "integratedTime": fields.IntegratedTime = json.WholeNumberOrText(); break;
            case "inclusionPromise": fields.EntryTimestamp = ReadBytes(ref json, EntryTimestampKeys, MaxEntryTimestamp); break;
            case "inclusionProof": fields.Proof = ReadProof(ref json); break;
            default: fields.Body = json.Base64(MaxBody); break;
        }
    }

    private static byte[]? ReadBytes(ref StrictJson json, KeySet known, int max)
    {
        byte[]? bytes = null;
        var keys = json.OpenObject(known);
        while (json.NextKey(ref keys) is not null) bytes = json.Base64(max);
        return bytes;
    }

    private static void ReadKind(ref StrictJson json, Fields fields)
    {
        var keys = json.OpenObject(KindKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "kind") fields.Kind = json.TextValue();
            else fields.KindVersion = json.TextValue();
        }
    }

    private static InclusionProof ReadProof(ref StrictJson json)
    {
        long index = 0, size = 0;
        byte[]? root = null;
        string? checkpoint = null;
        ImmutableArray<ReadOnlyMemory<byte>> hashes = [];
        var keys = json.OpenObject(ProofKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "logIndex") index = json.WholeNumberOrText();
            else if (key == "treeSize") size = json.WholeNumberOrText();
            else if (key == "rootHash") root = ReadHash(ref json);
            else if (key == "hashes") hashes = ReadHashes(ref json);
            else checkpoint = ReadCheckpoint(ref json);
        }
        if (root is null) throw json.Problem(ProblemCodes.FieldMissing, "expected an inclusion proof with rootHash, got none");
        return new(index, size, root, hashes, checkpoint);
    }

    private static string? ReadCheckpoint(ref StrictJson json)
    {
        string? envelope = null;
        var keys = json.OpenObject(CheckpointKeys);
        while (json.NextKey(ref keys) is not null) envelope = json.TextValue();
        return envelope;
    }

    private static ImmutableArray<ReadOnlyMemory<byte>> ReadHashes(ref StrictJson json)
    {
        var hashes = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        json.OpenArray();
        while (json.NextItem())
        {
            if (hashes.Count == MaxProof) throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {MaxProof} hashes, got more");
            hashes.Add(ReadHash(ref json));
        }
        return hashes.DrainToImmutable();
    }

    private static byte[] ReadHash(ref StrictJson json) =>
        json.Base64(HashLength) is { Length: HashLength } hash ? hash : throw json.Expected($"a hash of {HashLength} bytes in base64");
}
