using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// A record has the right checksum and an unknown content: a newer version wrote it. It is not damage, and a repair must not drop it.
/// </summary>
internal sealed class NewerRecordException(string message, Exception inner) : IOException(message, inner);

/// <summary>A change in the form of the journal: what to apply, where, and when it was made.</summary>
/// <param name="Repository"><see cref="StoredRepository.FullName"/>.</param>
/// <param name="Previous">
/// The digest to which the tag of each SetLive and RemoveTag was bound, in their order. A replay does not overwrite a tag that another
/// program has moved since.
/// </param>
internal sealed record JournalRecord(
    long Sequence, DateTimeOffset At, string Repository, ImmutableArray<Operation> Operations, ImmutableArray<Digest> Previous)
{
    /// <summary>
    /// The largest manifest, in bytes, that is written into the record; a larger one is flushed as a file first
    /// (docs/design/0001-storage.md).
    /// </summary>
    public const int MaxInline = 64 * 1024;

    public void Write(BinaryWriter to)
    {
        to.Write(Sequence);
        to.Write(At.ToUnixTimeMilliseconds());
        to.Write(Repository);
        to.Write(Operations.Length);
        var previous = 0;
        foreach (var operation in Operations)
        {
            JournalWriter.Write(to, operation);
            if (operation is Operation.SetLive or Operation.RemoveTag) to.Write(Previous[previous++].ToString());
        }
    }

    /// <summary>
    /// Reads a record whose checksum is right. Throws <see cref="NewerRecordException"/> for a record that this version cannot have
    /// written.
    /// </summary>
    public static JournalRecord Read(BinaryReader from)
    {
        try
        {
            return ReadWhole(from);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or FormatException or ArgumentException)
        {
            throw new NewerRecordException(
                $"a newer version of the gateway wrote a change of the journal ({e.Message}); run that version", e);
        }
    }

    private static JournalRecord ReadWhole(BinaryReader from)
    {
        var sequence = from.ReadInt64();
        var at = DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64());
        var repository = from.ReadString();
        var operations = ImmutableArray.CreateBuilder<Operation>();
        var previous = ImmutableArray.CreateBuilder<Digest>();
        for (var remaining = from.ReadInt32(); remaining > 0; remaining--)
        {
            var operation = ReadOperation(from);
            operations.Add(operation);
            if (operation is Operation.SetLive or Operation.RemoveTag) previous.Add(ReadDigest(from));
        }
        return new(sequence, at, repository, operations.ToImmutable(), previous.ToImmutable());
    }

    private static Operation ReadOperation(BinaryReader from)
    {
        var code = (JournalCode)from.ReadByte();
        switch (code)
        {
            case JournalCode.StoreManifest:
                var digest = ReadDigest(from);
                var length = from.ReadInt32();
                // Checked first: the whole length would be allocated at once.
                if (length > MaxInline) throw new InvalidDataException($"expected a manifest of at most {MaxInline} bytes, got {length}");
                return new Operation.StoreManifest(digest, length < 0 ? default : from.ReadBytes(length));
            case JournalCode.LinkBlob:
                return new Operation.LinkBlob(
                    ReadDigest(from), from.ReadInt64(), from.ReadString() is { Length: > 0 } upload ? upload : null)
                {
                    Parent = ReadDigest(from),
                };
            case JournalCode.SetLive:
                var live = ReadDigest(from);
                return new Operation.SetLive(TagName.Parse(from.ReadString()), live);
            case JournalCode.StoreManifestByDigest:
                return new Operation.StoreManifest(ReadDigest(from), default) { Size = from.ReadInt64() };
            case JournalCode.Hold or JournalCode.HoldNumbered:
                var held = ReadDigest(from);
                var hold = new Operation.Hold(TagName.Parse(from.ReadString()), held, from.ReadString(), ReadTime(from), from.ReadString());
                return code == JournalCode.Hold ? hold : hold with { Number = from.ReadInt64() };
            case JournalCode.EndHold:
                return new Operation.EndHold(TagName.Parse(from.ReadString()));
            case JournalCode.Release:
                return new Operation.Release(ReadDigest(from), from.ReadString(), from.ReadString());
            case JournalCode.Forward:
                return new Operation.Forward(
                    ReadList(from, ReadDigest), ReadList(from, static each => (TagName.Parse(each.ReadString()), ReadDigest(each))));
            case JournalCode.Forwarded:
                return new Operation.Forwarded(from.ReadInt64(), from.ReadString() is { Length: > 0 } refusal ? refusal : null);
            case JournalCode.AddEvidence or JournalCode.CountedEvidence:
                return new Operation.AddEvidence(ReadDigest(from), ReadDigest(from)) { Counted = code == JournalCode.CountedEvidence };
            case JournalCode.SetVerdict:
                return new Operation.SetVerdict(ReadDigest(from), new(from.ReadUInt64(), from.ReadByte(), from.ReadInt64()));
            case JournalCode.AddReferrer:
                var subject = ReadDigest(from);
                return new Operation.AddReferrer(subject, ReadReferrer(from.ReadString()));
            case JournalCode.Seen:
                return new Operation.Seen(ReadDigest(from), DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64()));
            case JournalCode.RemoveTag:
                return new Operation.RemoveTag(TagName.Parse(from.ReadString()));
            case JournalCode.RemoveManifest:
                return new Operation.RemoveManifest(ReadDigest(from));
            case JournalCode.RemoveBlob:
                return new Operation.RemoveBlob(ReadDigest(from));
            case JournalCode.RemoveManifestWritten:
                return new Operation.RemoveManifest(ReadDigest(from)) { Written = ReadTime(from) };
            case JournalCode.RemoveBlobWritten:
                return new Operation.RemoveBlob(ReadDigest(from)) { Written = ReadTime(from) };
            default:
                throw new InvalidDataException($"expected a known operation, got number {(byte)code}");
        }
    }

    /// <summary>Reads a list one by one: a wrong count would allocate any amount of memory at once.</summary>
    public static ImmutableArray<T> ReadList<T>(BinaryReader from, Func<BinaryReader, T> read)
    {
        var list = ImmutableArray.CreateBuilder<T>();
        for (var remaining = from.ReadInt32(); remaining > 0; remaining--) list.Add(read(from));
        return list.ToImmutable();
    }

    private static Descriptor ReadReferrer(string text) =>
        Digest.TryParse(text, out var digest)
            ? new Descriptor("", digest, 0)
            : ReferrerFile.Read(text) ?? throw new InvalidDataException("expected the descriptor of a referrer, got damaged text");

    private static DateTimeOffset ReadTime(BinaryReader from) => DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64());

    private static Digest ReadDigest(BinaryReader from) => from.ReadString() is { Length: > 0 } text ? Digest.Parse(text) : default;
}
