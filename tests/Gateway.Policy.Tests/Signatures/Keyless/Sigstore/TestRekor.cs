using System.Security.Cryptography;
using System.Text;
using Gateway.Policy.Signatures;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>A log of signatures like Rekor, of either version, with unrelated entries around the tested one.</summary>
internal sealed class TestRekor(string host, TestLogKey key, bool isVersion2)
{
    private const long Shard = 1_000_000; // indexes count over earlier shards, positions in the tree do not
    private readonly List<byte[]> _entries = [.. Enumerable.Range(0, 11).Select(i => Encoding.UTF8.GetBytes($"stranger {i}"))];

    public string BaseUrl => $"https://{host}";

    public TestLogKey Key => key;

    // Rekor v1: SHA-256 of the key; v2: the hint in its checkpoints (C2SP signed-note), which is the same for ECDSA.
    public byte[] Id => isVersion2 && key.Details == "PKIX_ED25519"
        ? SHA256.HashData([.. Encoding.UTF8.GetBytes(host), (byte)'\n', 0x01, .. key.Spki[^32..]])
        : SHA256.HashData(key.Spki);

    /// <summary>Adds an entry: with a signed entry timestamp and a time (v1), and with a proof.</summary>
    public LogEntry Append(string kind, string version, string body, DateTimeOffset time)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var (index, proof) = Add(bytes);
        var entry = new LogEntry
        {
            LogIndex = isVersion2 ? index : Shard + index,
            LogId = Id,
            Kind = kind,
            KindVersion = version,
            IntegratedTime = isVersion2 ? null : time,
            CanonicalizedBody = bytes,
            Proof = proof,
        };
        return isVersion2 ? entry : entry with { SignedEntryTimestamp = EntryTimestamp(entry) };
    }

    // Tests run in parallel.
    private (int Index, InclusionProof Proof) Add(byte[] bytes)
    {
        lock (_entries)
        {
            _entries.AddRange([bytes, "a later stranger"u8.ToArray()]);
            return (_entries.Count - 2, Prove(_entries.Count - 2));
        }
    }

    /// <summary>The signed entry timestamp of an entry.</summary>
    public byte[] EntryTimestamp(LogEntry entry) => key.Sign(Encoding.UTF8.GetBytes(
        "{\"body\":\"" + Convert.ToBase64String(entry.CanonicalizedBody.Span) + "\",\"integratedTime\":"
        + entry.IntegratedTime!.Value.ToUnixTimeSeconds() + ",\"logID\":\"" + Convert.ToHexStringLower(Id)
        + "\",\"logIndex\":" + entry.LogIndex + "}"));

    /// <summary>The proof of a position in the current tree.</summary>
    public InclusionProof Prove(int index)
    {
        var root = NaiveTree.Root(_entries);
        var way = NaiveTree.Path(index, _entries).Select(h => (ReadOnlyMemory<byte>)h);
        return new(index, _entries.Count, root, [.. way], Checkpoint(_entries.Count, root));
    }

    public string Checkpoint(long size, byte[] root, string? origin = null, TestLogKey? by = null, string? name = null)
    {
        var signer = by ?? key;
        var text = $"{origin ?? (isVersion2 ? host : host + " - 2605736670972794746")}\n{size}\n{Convert.ToBase64String(root)}\n";
        byte[] line = [.. Hint(signer, name ?? host), .. signer.Sign(Encoding.UTF8.GetBytes(text))];
        return $"{text}\n\u2014 {name ?? host} {Convert.ToBase64String(line)}\n";
    }

    private byte[] Hint(TestLogKey signer, string name) => isVersion2 && signer.Details == "PKIX_ED25519"
        ? SHA256.HashData([.. Encoding.UTF8.GetBytes(name), (byte)'\n', 0x01, .. signer.Spki[^32..]])[..4]
        : SHA256.HashData(signer.Spki)[..4];
}
