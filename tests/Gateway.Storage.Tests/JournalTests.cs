using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class JournalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-journal-").FullName;

    private readonly Durability _durability;

    public JournalTests() => _durability = new(_folder, NullLogger.Instance);

    public void Dispose()
    {
        _durability.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static JournalRecord Record(long sequence) =>
        new(
            sequence, DateTimeOffset.FromUnixTimeMilliseconds(sequence), "a",
            [new Operation.SetLive(TagName.Parse($"t{sequence}"), Digest.Of([(byte)sequence]))], [default]);

    /// <summary>Writes batches of records, with a flush after each; the file ends with the last record.</summary>
    private string Write(params int[] batches)
    {
        long sequence = 0, length;
        using (var journal = Journal.Create(_folder, 0, _durability))
        {
            foreach (var size in batches)
            {
                for (var i = 0; i < size; i++) journal.Append(Record(++sequence));
                journal.Flush(sequence);
            }
            length = journal.Length;
        }
        var path = Assert.Single(Journal.Segments(_folder));
        Cut(path, length);
        return path;
    }

    private static void Cut(string path, long length)
    {
        using var file = File.Open(path, FileMode.Open);
        Assert.InRange(length, 1, file.Length - 1);
        file.SetLength(length);
    }

    private long[] Read() => [.. Journal.Read(_folder).Select(r => r.Sequence)];

    [Fact]
    public void Records_are_read_back_in_order_and_whole()
    {
        Operation[] all =
        [
            new Operation.StoreManifest(Digest.Of("m"u8), "m"u8.ToArray()),
            new Operation.LinkBlob(Digest.Of("b"u8), 1, "upload") { Parent = Digest.Of("m"u8) },
            new Operation.SetLive(TagName.Parse("t"), Digest.Of("m"u8)),
            new Operation.SetVerdict(Digest.Of("m"u8), new(7, 1, 9)),
            new Operation.AddReferrer(Digest.Of("s"u8), new(MediaTypes.OciManifest, Digest.Of("m"u8), 1) { ArtifactType = "a/b" }),
            new Operation.Seen(Digest.Of("m"u8), DateTimeOffset.UnixEpoch),
            new Operation.Hold(TagName.Parse("t"), Digest.Of("m"u8), "ci", DateTimeOffset.UnixEpoch, "a signature"),
            new Operation.EndHold(TagName.Parse("t")),
            new Operation.AddEvidence(Digest.Of("s"u8), Digest.Of("e"u8)),
            new Operation.AddEvidence(Digest.Of("s"u8), Digest.Of("e"u8)) { Counted = true },
            new Operation.RemoveTag(TagName.Parse("t")),
            new Operation.RemoveManifest(Digest.Of("m"u8)),
            new Operation.RemoveManifest(Digest.Of("m"u8)) { Written = DateTimeOffset.UnixEpoch },
            new Operation.RemoveBlob(Digest.Of("b"u8)) { Written = default(DateTimeOffset) },
            new Operation.RemoveBlob(Digest.Of("b"u8)),
        ];
        using (var journal = Journal.Create(_folder, 0, _durability))
        {
            journal.Append(new(1, DateTimeOffset.UnixEpoch, "team/app", [.. all], [default, Digest.Of("m"u8)]));
            journal.Flush(1);
        }
        var read = Assert.Single(Journal.Read(_folder));
        Assert.Equal("team/app", read.Repository);
        Assert.Equal([default, Digest.Of("m"u8)], read.Previous);
        Assert.Equal(all.Skip(1).Select(o => o.ToString()), read.Operations.Skip(1).Select(o => o.ToString()));
        Assert.Equal("m"u8.ToArray(), ((Operation.StoreManifest)read.Operations[0]).Bytes.ToArray());
    }

    [Fact]
    public void Tail_truncated_at_any_byte_ends_the_reading_and_loses_no_acknowledged_record()
    {
        var path = Write(3, 1);
        var whole = File.ReadAllBytes(path);
        var acknowledged = 0L;
        for (var length = whole.Length; length >= 0; length--)
        {
            File.WriteAllBytes(path, whole[..length]);
            var read = Read();
            Assert.Equal(Enumerable.Range(1, read.Length).Select(i => (long)i), read);
            acknowledged = Math.Max(acknowledged, read.Length);
        }
        Assert.Equal(4, acknowledged);
    }

    [Fact]
    public void Tail_zeroed_from_any_byte_ends_the_reading_and_loses_no_earlier_record()
    {
        var path = Write(3, 1);
        var whole = File.ReadAllBytes(path);
        for (var from = whole.Length; from >= 0; from--)
        {
            var bytes = new byte[whole.Length + 5000];
            whole.AsSpan(0, from).CopyTo(bytes);
            File.WriteAllBytes(path, bytes);
            var read = Read();
            Assert.Equal(Enumerable.Range(1, read.Length).Select(i => (long)i), read);
            File.WriteAllBytes(path, whole[..from]);
            Assert.True(read.Length >= Read().Length);
        }
    }

    [Fact]
    public void Records_overwrite_zeros_and_the_file_grows_only_when_none_are_left()
    {
        using var journal = Journal.Create(_folder, 0, _durability);
        var lengths = new HashSet<long>();
        for (var sequence = 1; sequence <= 2000; sequence++)
        {
            journal.Append(Record(sequence));
            journal.Flush(sequence);
            lengths.Add(new FileInfo(Journal.Segments(_folder)[0]).Length);
        }
        Assert.InRange(journal.Length, 200_000, 2_000_000);
        Assert.InRange(lengths.Count, 2, 1 + (int)(journal.Length / (64 << 10)));
        Assert.Equal(Enumerable.Range(1, 2000).Select(i => (long)i), Read());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Start_after_a_segment_that_ends_with_zeros_reads_both(bool isEmpty)
    {
        var first = Write(2);
        File.WriteAllBytes(first, [.. isEmpty ? [] : File.ReadAllBytes(first), .. new byte[4096]]);
        using (var journal = Journal.Create(_folder, 2, _durability))
        {
            journal.Append(Record(3));
            journal.Flush(3);
        }
        Assert.Equal(isEmpty ? [3L] : [1L, 2L, 3L], Read());
    }

    [Fact]
    public void Hole_in_the_last_unacknowledged_batch_is_a_torn_tail()
    {
        var path = Write(2, 3);
        var bytes = File.ReadAllBytes(path);
        bytes[Third(bytes) + 30] ^= 0xFF;
        File.WriteAllBytes(path, bytes);
        Assert.Equal([1L, 2L], Read());
    }

    [Fact]
    public void Hole_before_an_acknowledged_record_is_damage_and_the_error_names_its_offset()
    {
        var path = Write(2, 1, 1);
        var bytes = File.ReadAllBytes(path);
        bytes[Third(bytes) + 30] ^= 0xFF;
        File.WriteAllBytes(path, bytes);
        var damage = Assert.Throws<InvalidDataException>(Read);
        Assert.Contains($"at byte {Third(bytes)}", damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Torn_tail_that_a_later_start_passed_over_is_not_damage()
    {
        var first = Write(2);
        File.WriteAllBytes(first, File.ReadAllBytes(first)[..^1]);
        using (var journal = Journal.Create(_folder, 1, _durability))
        {
            journal.Append(Record(2));
            journal.Flush(2);
        }
        Assert.Equal(2, Journal.Segments(_folder).Length);
        Assert.Equal([1L, 2L], Read());
    }

    [Fact]
    public void Unreadable_record_in_an_earlier_segment_is_damage()
    {
        long length;
        using (var journal = Journal.Create(_folder, 0, _durability))
        {
            journal.Append(Record(1));
            journal.Flush(1);
            length = journal.Length;
            journal.Rotate();
            journal.Append(Record(2));
            journal.Flush(2);
        }
        // The last bytes of a record may be zeros: a byte before them is lost.
        Cut(Journal.Segments(_folder)[0], length - 10);
        Assert.Throws<InvalidDataException>(Read);
    }

    /// <summary>Records of the same form have the same length: the third begins after two of five, or of four.</summary>
    private static int Third(byte[] bytes)
    {
        var magic = bytes.AsSpan(0, 4).ToArray();
        var at = 0;
        for (var i = 0; i < 2; i++) at += 4 + bytes.AsSpan(at + 4).IndexOf(magic);
        return at;
    }
}
