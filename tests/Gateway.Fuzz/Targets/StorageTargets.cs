using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Fuzz.Targets;

/// <summary>The journal: a segment as it may lie there after a power cut, or after somebody has edited it.</summary>
public sealed class JournalTarget : FuzzTarget, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");

    public void Dispose() => _folder.Delete(recursive: true);

    protected override IEnumerable<byte[]> Inputs
    {
        get
        {
            var folder = Path.Combine(_folder.FullName, "made");
            using var durability = new Durability(_folder.FullName, NullLogger.Instance);
            using (var journal = Journal.Create(folder, 0, durability))
            {
                journal.Append(Records.One(1));
                journal.Append(Records.One(2));
                journal.Flush(2);
                journal.Append(Records.One(3));
                journal.Flush(3);
            }
            yield return File.ReadAllBytes(Journal.Segments(folder)[0]);
        }
    }

    protected override string[] Words => ["GWJ1"];

    protected override string Try(byte[] input)
    {
        var folder = Path.Combine(_folder.FullName, "read");
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "00000000000000000001.log"), input);
        try
        {
            return $"{Journal.Read(folder).Select(r => r.Sequence).ToArray().Length} records";
        }
        catch (InvalidDataException e)
        {
            return e.Message[..20];
        }
    }
}

/// <summary>One record of the journal with a correct checksum.</summary>
public sealed class JournalRecordTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
    [
        Bytes(Records.One(1)), .. Records.All.Select(o => Bytes(Records.Of(o)))
    ];

    protected override string[] Words => ["sha256:" + new string('a', 64), "\u0001", "\u000d", "{\"mediaType\":\"a\",\"digest\":"];

    protected override string Try(byte[] input)
    {
        using var reader = new BinaryReader(new MemoryStream(input), Encoding.UTF8);
        try
        {
            var record = JournalRecord.Read(reader);
            var written = Bytes(record);
            using var again = new BinaryReader(new MemoryStream(written), Encoding.UTF8);
            Assert.Equal(written, Bytes(JournalRecord.Read(again)));
            return string.Join(' ', record.Operations.Select(o => o.GetType().Name).Distinct());
        }
        catch (NewerRecordException e)
        {
            return e.Message;
        }
    }

    private static byte[] Bytes(JournalRecord record)
    {
        using var to = new MemoryStream();
        using (var writer = new BinaryWriter(to, Encoding.UTF8)) record.Write(writer);
        return to.ToArray();
    }
}

/// <summary>The head of a log in a bucket, with and without a checksum.</summary>
public sealed class LogHeadTarget : FuzzTarget
{
    private static readonly LogRecord[] Tail = [.. Records.All.Select(static (o, i) => new LogRecord(Id(i), 0, Records.Of(o)))];

    private static readonly byte[] Head =
        (LogHead.Empty.With(Tail) with { Parts = [new(0, 0, "part", true)], Fence = 3 }).ToBytes();

    protected override IEnumerable<byte[]> Inputs => [Head, Head[..^8], LogHead.Empty.ToBytes()];

    protected override string[] Words => ["sha256:" + new string('a', 64), "GWGS", "\u0001\0\0\0"];

    protected override string Try(byte[] input)
    {
        try
        {
            var head = LogHead.Read(input);
            Assert.Equal(head.ToBytes(), LogHead.Read(head.ToBytes()).ToBytes());
            return $"{head.Tail.Length} records";
        }
        catch (NewerRecordException e)
        {
            return e.Message[..20];
        }
        catch (InvalidDataException e)
        {
            return e.Message[..20];
        }
    }

    private static Guid Id(int i) => new(i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

/// <summary>Records with every operation.</summary>
internal static class Records
{
    private static readonly Digest Manifest = Digest.Of("m"u8);
    private static readonly TagName Tag = TagName.Parse("t");

    public static readonly Operation[] All =
    [
        new Operation.StoreManifest(Manifest, "{}"u8.ToArray()),
        new Operation.LinkBlob(Digest.Of("b"u8), 1, "upload") { Parent = Manifest },
        new Operation.SetLive(Tag, Manifest),
        new Operation.SetVerdict(Manifest, new(7, 1, 9)),
        new Operation.AddReferrer(Digest.Of("s"u8), new(MediaTypes.OciManifest, Manifest, 1) { ArtifactType = "a/b" }),
        new Operation.Seen(Manifest, DateTimeOffset.UnixEpoch),
        new Operation.Hold(Tag, Manifest, "ci", DateTimeOffset.UnixEpoch, "a signature"),
        new Operation.EndHold(Tag),
        new Operation.Release(Manifest, "chief", "the key is lost"),
        new Operation.AddEvidence(Digest.Of("s"u8), Digest.Of("e"u8)) { Counted = true },
        new Operation.Forward([Manifest], [(Tag, Manifest)]),
        new Operation.Forwarded(3, "refused"),
        new Operation.RemoveTag(Tag),
        new Operation.RemoveManifest(Manifest),
        new Operation.RemoveBlob(Digest.Of("b"u8)),
        new Operation.RemoveManifest(Manifest) { Written = DateTimeOffset.UnixEpoch },
        new Operation.RemoveBlob(Digest.Of("b"u8)) { Written = default(DateTimeOffset) },
    ];

    public static JournalRecord One(long sequence) => new(sequence, DateTimeOffset.UnixEpoch, "team/app", [.. All], [default, Manifest]);

    public static JournalRecord Of(Operation operation) =>
        new(1, DateTimeOffset.UnixEpoch, "a", [operation], operation is Operation.SetLive or Operation.RemoveTag ? [default] : []);
}

/// <summary>The small files of a repository: links, offers, first-seen times, referrers, and what a session and a fetch leave.</summary>
public sealed class SmallFileTarget : FuzzTarget, IDisposable
{
    private static readonly string Digest = "sha256:" + new string('a', 64);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");

    public void Dispose() => _folder.Delete(recursive: true);

    protected override IEnumerable<byte[]> Inputs =>
    [
        .. Texts(
            Digest, Digest + "\n", $"\n{Digest} 1700000000000\n\n{Digest} 5\n",
            $$$"""{"mediaType":"a/b","digest":"{{{Digest}}}","size":5,"artifactType":"c/d","annotations":{"k":"v"}}""",
            """{"Repository":"a","Actor":"ci","Algorithm":"sha256","Started":"2026-01-01T00:00:00+00:00"}"""),
        HeldPushFile.Format(
            new(TagName.Parse("t"), Oci.Digest.Parse(Digest), 3, "ci", DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue, "a signature")),
        ForwardFile.Format(
            new(3, DateTimeOffset.UnixEpoch, [Oci.Digest.Parse(Digest)], [(TagName.Parse("t"), Oci.Digest.Parse(Digest))], "no room")),
        .. Texts($"0\n\n{Digest} not/a/tag\nend\n", "9223372036854775807\n\n\nend\n"),
    ];

    protected override string[] Words =>
    [
        Digest, "sha512:", "\n", " ", "\"annotations\":{\"k\":\"v\",\"k\":\"v\"}", "\"size\":-1", "\"mediaType\":null",
        "9223372036854775807", "-62135596800001", "\"Actor\":null", "\nend\n"
    ];

    protected override int MaxLength => 4096;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var file = Path.Combine(_folder.FullName, "7"); // a tag's name, and the number of a push
        File.WriteAllBytes(file, input);
        var link = SmallFiles.ReadLink(file);
        if (!link.IsEmpty) Assert.Equal(link.ToString(), text.TrimEnd('\n'));
        var seen = new SeenTimes(file).Of(Oci.Digest.Parse(Digest));
        var (offer, forward) = (HeldPushFile.Read(file), ForwardFile.Read(file));
        if (offer is not null)
        {
            File.WriteAllBytes(file, HeldPushFile.Format(offer));
            Assert.Equal(offer, HeldPushFile.Read(file));
        }
        if (forward is not null)
        {
            var again = ForwardFile.Format(forward);
            File.WriteAllBytes(file, again);
            Assert.Equal(again, ForwardFile.Format(ForwardFile.Read(file)!));
        }
        return $"{link.IsEmpty} {seen is null} {offer is null} {forward?.Tags.Length} {Referrer(text)} {Session(input)}";
    }

    private static string Referrer(string text)
    {
        if (ReferrerFile.Read(text) is not { } read) return "none";
        Assert.NotNull(read.MediaType);
        Assert.InRange(read.Size, 0, long.MaxValue);
        var again = ReferrerFile.Read(ReferrerFile.Write(read));
        Assert.Equal(ReferrerFile.Write(read), ReferrerFile.Write(again!));
        return $"referrer {read.Annotations.Count} {read.ArtifactType is null}";
    }

    private static string Session(byte[] input)
    {
        try
        {
            if (JsonSerializer.Deserialize(input, UploadNoteJson.Default.UploadNote) is not { } note) return "null";
            Assert.NotNull(note.Repository);
            Assert.NotNull(note.Actor);
            using var session = new UploadSession("id", note);
            return $"{session.Algorithm}";
        }
        catch (JsonException)
        {
            return "no note";
        }
    }
}

/// <summary>A file of the ring of decisions: what is found in it is what a line says, and it can be written on.</summary>
public sealed class LedgerTarget : FuzzTarget, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");

    public void Dispose() => _folder.Delete(recursive: true);

    protected override IEnumerable<byte[]> Inputs => Texts(
        "d-ABCDEFGH {\"id\":\"d-ABCDEFGH\",\"repository\":\"a\"}\nd-BBBBBBBB {\"repository\":\"Not a name\"}\n", "d-ABCDEFGH {",
        "d-ABCDEFGH \n");

    protected override string[] Words => ["d-ABCDEFGH ", "\n", "{\"repository\":", "null", "\"a\"}"];

    protected override string Try(byte[] input)
    {
        File.WriteAllBytes(Path.Combine(_folder.FullName, "0000000000.jsonl"), input);
        var ledger = new DecisionRing(_folder.FullName);
        var decision = new Repositories.Decisions(ledger).Find("d-ABCDEFGH");
        ledger.Append("d-NEW", "{\"repository\":\"b\"}"u8);
        Assert.Equal("{\"repository\":\"b\"}"u8.ToArray(), ledger.Find("d-NEW"));
        Assert.Equal("{\"repository\":\"b\"}"u8.ToArray(), new DecisionRing(_folder.FullName).Find("d-NEW"));
        return $"{decision?.Repository.ToString().Length > 0}";
    }
}
