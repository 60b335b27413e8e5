using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>A change as the journal holds it: what to apply, where, and when it was made.</summary>
/// <param name="Repository"><see cref="StoredRepository.FullName"/>.</param>
/// <param name="Previous">What each SetLive and RemoveTag found its tag bound to, in their order: a tag that somebody else has moved since
/// is not overruled by a replay.</param>
internal sealed record JournalRecord(
    long Sequence, DateTimeOffset At, string Repository, ImmutableArray<Operation> Operations, ImmutableArray<Digest> Previous)
{
    private enum Code : byte
    {
        StoreManifest = 1,
        LinkBlob = 2,
        SetLive = 3,
        SetVerdict = 4,
        AddReferrer = 5,
        Seen = 6,
        RemoveTag = 7,
        RemoveManifest = 8,
        RemoveBlob = 9,
        Hold = 10,
        EndHold = 11,
        AddEvidence = 12,
        CountedEvidence = 13,
        Forward = 14,
        Forwarded = 15,
        RemoveManifestWritten = 16,
        RemoveBlobWritten = 17,
    }

    /// <summary>
    /// Manifests up to this size stand in the record; larger ones are flushed as files before it (docs/design/0001-storage.md).
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
            Write(to, operation);
            if (operation is Operation.SetLive or Operation.RemoveTag) to.Write(Previous[previous++].ToString());
        }
    }

    private static void Write(BinaryWriter to, Operation operation)
    {
        switch (operation)
        {
            case Operation.StoreManifest o:
                Head(to, Code.StoreManifest, o.Digest);
                var inline = o.Bytes.Length <= MaxInline;
                to.Write(inline ? o.Bytes.Length : -1);
                if (inline) to.Write(o.Bytes.Span);
                break;
            case Operation.LinkBlob o:
                Head(to, Code.LinkBlob, o.Digest);
                to.Write(o.Size);
                to.Write(o.Upload ?? "");
                to.Write(o.Parent.ToString());
                break;
            case Operation.SetLive o:
                Head(to, Code.SetLive, o.Digest);
                to.Write(o.Tag.Value);
                break;
            case Operation.Hold o:
                Head(to, Code.Hold, o.Digest);
                to.Write(o.Tag.Value);
                to.Write(o.Actor);
                to.Write(o.Expires.ToUnixTimeMilliseconds());
                to.Write(o.Missing);
                break;
            case Operation.EndHold o:
                to.Write((byte)Code.EndHold);
                to.Write(o.Tag.Value);
                break;
            case Operation.Forward o:
                to.Write((byte)Code.Forward);
                to.Write(o.Manifests.Length);
                foreach (var manifest in o.Manifests) to.Write(manifest.ToString());
                to.Write(o.Tags.Length);
                foreach (var (tag, digest) in o.Tags)
                {
                    to.Write(tag.Value);
                    to.Write(digest.ToString());
                }
                break;
            case Operation.Forwarded o:
                to.Write((byte)Code.Forwarded);
                to.Write(o.Number);
                to.Write(o.Refusal ?? "");
                break;
            case Operation.AddEvidence o:
                Head(to, o.Counted ? Code.CountedEvidence : Code.AddEvidence, o.Subject);
                to.Write(o.Evidence.ToString());
                break;
            case Operation.SetVerdict o:
                Head(to, Code.SetVerdict, o.Digest);
                to.Write(o.Verdict.Revision);
                to.Write(o.Verdict.Outcome);
                to.Write(o.Verdict.Until);
                break;
            case Operation.AddReferrer o:
                Head(to, Code.AddReferrer, o.Subject);
                // As in its file: of a long one the manifest is read again.
                var text = ReferrerFile.Write(o.Referrer);
                to.Write(text.Length <= Referrers.MaxDescriptorBytes ? text : o.Referrer.Digest.ToString());
                break;
            case Operation.Seen o:
                Head(to, Code.Seen, o.Digest);
                to.Write(o.At.ToUnixTimeMilliseconds());
                break;
            case Operation.RemoveTag o:
                to.Write((byte)Code.RemoveTag);
                to.Write(o.Tag.Value);
                break;
            case Operation.Removal { Written: { } written } o:
                Head(to, o is Operation.RemoveManifest ? Code.RemoveManifestWritten : Code.RemoveBlobWritten, o.Digest);
                to.Write(written.ToUnixTimeMilliseconds());
                break;
            case Operation.Removal o:
                Head(to, o is Operation.RemoveManifest ? Code.RemoveManifest : Code.RemoveBlob, o.Digest);
                break;
            default:
                throw new InvalidOperationException($"no journal form for {operation.GetType().Name}");
        }
    }

    private static void Head(BinaryWriter to, Code code, Digest digest)
    {
        to.Write((byte)code);
        to.Write(digest.ToString());
    }

    /// <summary>
    /// Reads a record whose checksum was right. Throws <see cref="InvalidDataException"/> for one that a newer version wrote, or nobody.
    /// </summary>
    public static JournalRecord Read(BinaryReader from)
    {
        try
        {
            return ReadWhole(from);
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"a record whose check sum is right cannot be read: {e.Message}", e);
        }
    }

    private static JournalRecord ReadWhole(BinaryReader from)
    {
        var sequence = from.ReadInt64();
        var at = DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64());
        var repository = from.ReadString();
        var operations = ImmutableArray.CreateBuilder<Operation>();
        var previous = ImmutableArray.CreateBuilder<Digest>();
        for (var left = from.ReadInt32(); left > 0; left--)
        {
            var operation = ReadOperation(from);
            operations.Add(operation);
            if (operation is Operation.SetLive or Operation.RemoveTag) previous.Add(ReadDigest(from));
        }
        return new(sequence, at, repository, operations.ToImmutable(), previous.ToImmutable());
    }

    private static Operation ReadOperation(BinaryReader from)
    {
        var code = (Code)from.ReadByte();
        switch (code)
        {
            case Code.StoreManifest:
                var digest = ReadDigest(from);
                var length = from.ReadInt32();
                // Looked at first: so much memory would be asked for at once.
                if (length > MaxInline) throw new InvalidDataException($"expected a manifest of at most {MaxInline} bytes, got {length}");
                return new Operation.StoreManifest(digest, length < 0 ? default : from.ReadBytes(length));
            case Code.LinkBlob:
                return new Operation.LinkBlob(
                    ReadDigest(from), from.ReadInt64(), from.ReadString() is { Length: > 0 } upload ? upload : null)
                {
                    Parent = ReadDigest(from),
                };
            case Code.SetLive:
                var live = ReadDigest(from);
                return new Operation.SetLive(TagName.Parse(from.ReadString()), live);
            case Code.Hold:
                var offered = ReadDigest(from);
                return new Operation.Hold(
                    TagName.Parse(from.ReadString()), offered, from.ReadString(),
                    DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64()), from.ReadString());
            case Code.EndHold:
                return new Operation.EndHold(TagName.Parse(from.ReadString()));
            case Code.Forward:
                return new Operation.Forward(
                    ReadList(from, ReadDigest), ReadList(from, static each => (TagName.Parse(each.ReadString()), ReadDigest(each))));
            case Code.Forwarded:
                return new Operation.Forwarded(from.ReadInt64(), from.ReadString() is { Length: > 0 } refusal ? refusal : null);
            case Code.AddEvidence or Code.CountedEvidence:
                return new Operation.AddEvidence(ReadDigest(from), ReadDigest(from)) { Counted = code == Code.CountedEvidence };
            case Code.SetVerdict:
                return new Operation.SetVerdict(ReadDigest(from), new(from.ReadUInt64(), from.ReadByte(), from.ReadInt64()));
            case Code.AddReferrer:
                var subject = ReadDigest(from);
                return new Operation.AddReferrer(subject, ReadReferrer(from.ReadString()));
            case Code.Seen:
                return new Operation.Seen(ReadDigest(from), DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64()));
            case Code.RemoveTag:
                return new Operation.RemoveTag(TagName.Parse(from.ReadString()));
            case Code.RemoveManifest:
                return new Operation.RemoveManifest(ReadDigest(from));
            case Code.RemoveBlob:
                return new Operation.RemoveBlob(ReadDigest(from));
            case Code.RemoveManifestWritten:
                return new Operation.RemoveManifest(ReadDigest(from)) { Written = ReadTime(from) };
            case Code.RemoveBlobWritten:
                return new Operation.RemoveBlob(ReadDigest(from)) { Written = ReadTime(from) };
            default:
                throw new InvalidDataException($"operation {(byte)code} is of a newer version");
        }
    }

    // One by one: a number that is not true would ask for any amount of memory at once.
    private static ImmutableArray<T> ReadList<T>(BinaryReader from, Func<BinaryReader, T> read)
    {
        var list = ImmutableArray.CreateBuilder<T>();
        for (var left = from.ReadInt32(); left > 0; left--) list.Add(read(from));
        return list.ToImmutable();
    }

    private static Descriptor ReadReferrer(string text) =>
        Digest.TryParse(text, out var digest)
            ? new Descriptor("", digest, 0)
            : ReferrerFile.Read(text) ?? throw new InvalidDataException("a referrer without a descriptor");

    private static DateTimeOffset ReadTime(BinaryReader from) => DateTimeOffset.FromUnixTimeMilliseconds(from.ReadInt64());

    private static Digest ReadDigest(BinaryReader from) => from.ReadString() is { Length: > 0 } text ? Digest.Parse(text) : default;
}
