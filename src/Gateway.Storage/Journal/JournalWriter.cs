namespace Gateway.Storage;

/// <summary>The number of each form of an operation in the journal. A number is never reused for another form.</summary>
internal enum JournalCode : byte
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
    Release = 18,
    StoreManifestByDigest = 19,
    HoldNumbered = 20,
}

/// <summary>Writes operations in the form of the journal, as <see cref="JournalRecord"/> reads them.</summary>
internal static class JournalWriter
{
    public static void Write(BinaryWriter to, Operation operation)
    {
        switch (operation)
        {
            case Operation.StoreManifest o when o.Size != o.Bytes.Length:
                Head(to, JournalCode.StoreManifestByDigest, o.Digest);
                to.Write(o.Size);
                break;
            case Operation.StoreManifest o:
                Head(to, JournalCode.StoreManifest, o.Digest);
                var isInline = o.Bytes.Length <= JournalRecord.MaxInline;
                to.Write(isInline ? o.Bytes.Length : -1);
                if (isInline) to.Write(o.Bytes.Span);
                break;
            case Operation.LinkBlob o:
                Head(to, JournalCode.LinkBlob, o.Digest);
                to.Write(o.Size);
                to.Write(o.Upload ?? "");
                to.Write(o.Parent.ToString());
                break;
            case Operation.SetLive o:
                Head(to, JournalCode.SetLive, o.Digest);
                to.Write(o.Tag.Value);
                break;
            case Operation.Hold o:
                Head(to, o.Number is null ? JournalCode.Hold : JournalCode.HoldNumbered, o.Digest);
                to.Write(o.Tag.Value);
                to.Write(o.Actor);
                Write(to, o.Expires);
                to.Write(o.Missing);
                if (o.Number is { } number) to.Write(number);
                break;
            case Operation.EndHold o:
                to.Write((byte)JournalCode.EndHold);
                to.Write(o.Tag.Value);
                break;
            case Operation.Release o:
                Head(to, JournalCode.Release, o.Digest);
                to.Write(o.Actor);
                to.Write(o.Reason);
                break;
            case Operation.Forward o:
                Write(to, o);
                break;
            case Operation.Forwarded o:
                to.Write((byte)JournalCode.Forwarded);
                to.Write(o.Number);
                to.Write(o.Refusal ?? "");
                break;
            case Operation.SetVerdict o:
                Head(to, JournalCode.SetVerdict, o.Digest);
                to.Write(o.Verdict.Revision);
                to.Write(o.Verdict.Outcome);
                to.Write(o.Verdict.Until);
                break;
            case Operation.AddReferrer o:
                Head(to, JournalCode.AddReferrer, o.Subject);
                // As in its file: a long descriptor is omitted, and the manifest is read again.
                var text = ReferrerFile.Write(o.Referrer);
                to.Write(text.Length <= Referrers.MaxDescriptorBytes ? text : o.Referrer.Digest.ToString());
                break;
            case Operation.AddEvidence o:
                Head(to, o.Counted ? JournalCode.CountedEvidence : JournalCode.AddEvidence, o.Subject);
                to.Write(o.Evidence.ToString());
                break;
            case Operation.Seen o:
                Head(to, JournalCode.Seen, o.Digest);
                Write(to, o.At);
                break;
            case Operation.RemoveTag o:
                to.Write((byte)JournalCode.RemoveTag);
                to.Write(o.Tag.Value);
                break;
            case Operation.RemoveManifest o:
                Write(to, o, JournalCode.RemoveManifest, JournalCode.RemoveManifestWritten);
                break;
            case Operation.RemoveBlob o:
                Write(to, o, JournalCode.RemoveBlob, JournalCode.RemoveBlobWritten);
                break;
            default:
                // The others are only for cached repositories, whose changes are not journaled.
                throw new InvalidOperationException($"expected an operation of a journaled repository, got {operation.GetType().Name}");
        }
    }

    private static void Write(BinaryWriter to, Operation.Forward forward)
    {
        to.Write((byte)JournalCode.Forward);
        to.Write(forward.Manifests.Length);
        foreach (var manifest in forward.Manifests) to.Write(manifest.ToString());
        to.Write(forward.Tags.Length);
        foreach (var (tag, digest) in forward.Tags)
        {
            to.Write(tag.Value);
            to.Write(digest.ToString());
        }
    }

    private static void Write(BinaryWriter to, Operation.Removal removal, JournalCode code, JournalCode codeWithTime)
    {
        Head(to, removal.Written is null ? code : codeWithTime, removal.Digest);
        if (removal.Written is { } written) Write(to, written);
    }

    private static void Write(BinaryWriter to, DateTimeOffset time) => to.Write(time.ToUnixTimeMilliseconds());

    private static void Head(BinaryWriter to, JournalCode code, Digest digest)
    {
        to.Write((byte)code);
        to.Write(digest.ToString());
    }
}
