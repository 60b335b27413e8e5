using System.Globalization;
using System.Text;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>The result of checking the log entries of a signature.</summary>
/// <param name="Why">Why its entries do not count (<c>SIG_TLOG_INVALID</c>); null when they do, or are not required.</param>
/// <param name="Times">The times at which logs confirm to have accepted it; empty when they prove no time.</param>
/// <param name="Logs">The logs that contain it, in the order of the entries.</param>
internal sealed record LogCheck(string? Why, ImmutableArray<DateTimeOffset> Times, ImmutableArray<PinnedLog> Logs)
{
    /// <summary>Whether an entry was verified.</summary>
    public bool IsLogged => Why is null && !Logs.IsEmpty;

    /// <summary>No entry was checked.</summary>
    internal static LogCheck Nothing { get; } = new(null, [], []);

    /// <summary>The entries do not count.</summary>
    internal static LogCheck Invalid(string why) => new(why, [], []);
}

/// <summary>
/// Verifies entries of transparency logs (Rekor v1 and v2) offline: the log's signed entry timestamp, or the proof that leads to a
/// checkpoint that it signed. Also checks that the entry is about this signature.
/// </summary>
internal static class TransparencyLog
{
    private const int MaxEntries = 32; // sigstore-go's bound

    // RFC 8785 writes numbers as doubles: above this, two numbers can have one representation.
    private const long MaxIndex = (1L << 53) - 1;

    /// <summary>Checks all entries of a signature.</summary>
    /// <param name="signer">The signer, in DER: its certificate, or a key as SubjectPublicKeyInfo.</param>
    /// <param name="known">The trusted logs; an empty list matters only for <see cref="TlogMode.Require"/>.</param>
    public static LogCheck Check(SignatureMaterial material, ReadOnlySpan<byte> signer, TlogMode mode, IReadOnlyCollection<PinnedLog> known)
    {
        if (mode == TlogMode.Ignore) return LogCheck.Nothing;
        if (material.LogEntries.IsEmpty || known.Count == 0)
        {
            if (mode != TlogMode.Require) return LogCheck.Nothing;
            return LogCheck.Invalid("a log entry is required, " + (known.Count == 0 ? "and no trusted root names a log" : "there is none"));
        }
        if (material.LogEntries.Length > MaxEntries)
            return LogCheck.Invalid($"{material.LogEntries.Length} log entries, expected at most {MaxEntries}");
        if (material.LogEntries.DistinctBy(e => (Convert.ToHexString(e.LogId.Span), e.LogIndex)).Count() != material.LogEntries.Length)
            return LogCheck.Invalid("expected each log entry once, got one twice");
        return CheckEach(material, signer, known);
    }

    // Entries of unknown logs are ignored; those of known logs must all be right.
    private static LogCheck CheckEach(SignatureMaterial material, ReadOnlySpan<byte> signer, IReadOnlyCollection<PinnedLog> known)
    {
        var times = ImmutableArray.CreateBuilder<DateTimeOffset>();
        var logs = ImmutableArray.CreateBuilder<PinnedLog>();
        foreach (var entry in material.LogEntries)
        {
            if (known.FirstOrDefault(l => l.Id.Span.SequenceEqual(entry.LogId.Span)) is not { } log) continue;
            if (ProblemOf(entry, log, material, signer) is { } problem)
                return LogCheck.Invalid($"entry {entry.LogIndex} of {log}: {problem}");
            if (entry is { SignedEntryTimestamp: not null, IntegratedTime: { } time }) times.Add(time);
            if (!logs.Contains(log)) logs.Add(log);
        }
        if (logs.Count > 0) return new(null, times.ToImmutable(), logs.ToImmutable());
        var id = Convert.ToHexStringLower(material.LogEntries[0].LogId.Span);
        return LogCheck.Invalid($"the log entry is of log {Printable.Line(id, 64)}, which no trusted root names");
    }

    private static string? ProblemOf(LogEntry entry, PinnedLog log, SignatureMaterial material, ReadOnlySpan<byte> signer)
    {
        LogEntryBody body;
        try
        {
            body = LogEntryBody.Read(entry.CanonicalizedBody.Span);
        }
        catch (ManifestProblemException e)
        {
            return $"its body cannot be read: {e.Problem.Message}";
        }
        if (entry.Kind is not null && $"{entry.Kind} {entry.KindVersion}" != body.Kind)
            return $"it is called {Printable.Quote($"{entry.Kind} {entry.KindVersion}")} and is {body.Kind}";
        return body.ProblemWith(material, signer)
            ?? ProblemOfEntryTimestamp(entry, log, body)
            ?? ProblemOfProof(entry, log, body, material.Format);
    }

    // The signed entry timestamp is over the canonical JSON (RFC 8785) of four members. Only it proves the time.
    private static string? ProblemOfEntryTimestamp(LogEntry entry, PinnedLog log, LogEntryBody body)
    {
        if (entry.SignedEntryTimestamp is not { } timestamp) return null;
        if (body.IsVersion2) return "it has a signed entry timestamp, which Rekor v2 does not issue";
        if (entry.IntegratedTime is not { } time) return "it has a signed entry timestamp without a time";
        if (!log.ValidFor.Contains(time))
            return $"the log's key is trusted from {log.ValidFor}, its signed entry timestamp is of {Moments.Text(time)}";
        if (entry.LogIndex is < 0 or > MaxIndex) return $"its index is not from 0 to {MaxIndex}";
        var isGood = log.Key.Verify(CanonicalEntry(entry, time), timestamp.Span, log.Hash);
        return isGood ? null : "its signed entry timestamp does not verify";
    }

    /// <summary>
    /// The four members that a signed entry timestamp is over, in canonical JSON: sorted keys, no whitespace, nothing to escape.
    /// </summary>
    internal static byte[] CanonicalEntry(LogEntry entry, DateTimeOffset time) => Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"{{\"body\":\"{Convert.ToBase64String(entry.CanonicalizedBody.Span)}\",\"integratedTime\":{time.ToUnixTimeSeconds()},"
        + $"\"logID\":\"{Convert.ToHexStringLower(entry.LogId.Span)}\",\"logIndex\":{entry.LogIndex}}}"));

    private static string? ProblemOfProof(LogEntry entry, PinnedLog log, LogEntryBody body, SignatureFormat format)
    {
        if (entry.Proof is not { } proof)
        {
            if (body.IsVersion2 || format == SignatureFormat.Bundle) return "it has no inclusion proof, which its format requires";
            return entry.SignedEntryTimestamp is null ? "it has neither a signed entry timestamp nor an inclusion proof" : null;
        }
        if (body.IsVersion2 && proof.LogIndex != entry.LogIndex) return $"its proof is for index {proof.LogIndex}";
        if (proof.Checkpoint is null || Checkpoint.Read(proof.Checkpoint) is not { } checkpoint)
            return "its proof has no checkpoint that can be read";
        if (checkpoint.Size != proof.TreeSize || !proof.RootHash.Span.SequenceEqual(checkpoint.RootHash))
            return "its proof leads to another root than its checkpoint";
        if (checkpoint.ProblemWith(log) is { } problem) return problem;
        var leaf = MerkleProof.LeafHash(entry.CanonicalizedBody.Span);
        return MerkleProof.Leads(leaf, proof.LogIndex, checkpoint.Size, proof.Hashes, checkpoint.RootHash)
            ? null
            : $"its proof does not lead to the root of the tree of {checkpoint.Size}";
    }
}
