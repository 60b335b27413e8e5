using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>
/// The signed head of a log: a note (C2SP signed-note) whose text is a checkpoint (C2SP tlog-checkpoint): origin, size and root hash.
/// </summary>
/// <param name="Origin">The log's name; Rekor v1 appends the number of its tree.</param>
/// <param name="Size">Leaves of the tree.</param>
/// <param name="RootHash">The root, 32 bytes.</param>
internal sealed record Checkpoint(string Origin, long Size, byte[] RootHash)
{
    // The limit of Go's reader of notes (golang.org/x/mod/sumdb/note); witnesses add a handful.
    private const int MaxSignatures = 100;
    private const int HintLength = 4;

    private byte[] Text { get; init; } = [];

    private ImmutableArray<(string Name, byte[] Hint, byte[] Bytes)> Signatures { get; init; } = [];

    /// <summary>Reads a note; null when the bytes are not one.</summary>
    public static Checkpoint? Read(string note)
    {
        var split = note.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (split < 0 || split + 3 > note.Length || note[^1] != '\n') return null;
        var lines = note[..split].Split('\n');
        var signatures = note[(split + 2)..^1].Split('\n');
        if (lines.Length < 3 || lines.Contains("") || signatures.Length > MaxSignatures) return null;
        if (SizeOf(lines[1]) is not { } size || BytesOf(lines[2]) is not { Length: SHA256.HashSizeInBytes } root) return null;
        var read = signatures.Select(ReadSignature).ToList();
        if (read.Contains(null)) return null;
        return new(lines[0], size, root)
        {
            Text = Encoding.UTF8.GetBytes(note[..(split + 1)]),
            Signatures = [.. read.Select(s => s!.Value)],
        };
    }

    private static (string, byte[], byte[])? ReadSignature(string line)
    {
        var parts = line.Split(' ');
        if (parts is not ["\u2014", { Length: > 0 } name, var text] || BytesOf(text) is not { Length: > HintLength } bytes) return null;
        return (name, bytes[..HintLength], bytes[HintLength..]);
    }

    private static long? SizeOf(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && (text[0] != '0' || text == "0") ? size : null;

    private static byte[]? BytesOf(string base64)
    {
        var bytes = new byte[base64.Length];
        if (!Convert.TryFromBase64String(base64, bytes, out var length)) return null;
        return Convert.ToBase64String(bytes, 0, length) == base64 ? bytes[..length] : null; // in its one form
    }

    /// <summary>Why this is not a checkpoint of the log; null when it is one. Signatures of witnesses are ignored.</summary>
    public string? ProblemWith(PinnedLog log)
    {
        if (NameOf(log) is not { } name) return $"the checkpoint is of {Printable.Quote(Origin)}, expected {Printable.Quote(log.BaseUrl)}";
        var hints = HintsOf(log, name).Select(h => Convert.ToHexStringLower(h.AsSpan(0, HintLength))).ToList();
        var ours = Signatures.Where(s => s.Name == name && hints.Contains(Convert.ToHexStringLower(s.Hint))).ToList();
        if (ours.Count == 0) return $"the checkpoint has no signature by {log} (key hint {string.Join(" or ", hints)}), it has {Signers()}";
        return ours.Any(s => log.Key.Verify(Text, s.Bytes, log.Hash)) ? null : $"the checkpoint's signature by {log} does not verify";
    }

    // Rekor v1 has "<name> - <tree>", with a name that can differ from its address; Rekor v2 has its host.
    private string? NameOf(PinnedLog log)
    {
        var dash = Origin.LastIndexOf(" - ", StringComparison.Ordinal);
        if (dash > 0 && dash + 3 < Origin.Length && Origin.AsSpan(dash + 3).IndexOfAnyExceptInRange('0', '9') < 0) return Origin[..dash];
        var url = log.BaseUrl.Contains("://", StringComparison.Ordinal) ? log.BaseUrl : "https://" + log.BaseUrl;
        return Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Host == Origin ? Origin : null;
    }

    // Rekor v1 uses the hash of the key as the hint, for every kind of key. C2SP does so for ECDSA, and for Ed25519 hashes the name too.
    private static IEnumerable<byte[]> HintsOf(PinnedLog log, string name)
    {
        yield return SHA256.HashData(log.Key.Spki.Span);
        if (log.Key.Algorithm != KeyAlgorithm.Ed25519) yield break;
        const int keyLength = 32; // RFC 8032 §5.1.5; the key ends the SubjectPublicKeyInfo
        yield return SHA256.HashData([.. Encoding.UTF8.GetBytes(name), (byte)'\n', 0x01, .. log.Key.Spki.Span[^keyLength..]]);
    }

    private string Signers() =>
        string.Join(", ", Signatures.Take(4).Select(s => $"{Printable.Quote(s.Name)} {Convert.ToHexStringLower(s.Hint)}"));
}
