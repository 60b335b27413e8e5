using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class LogFoldTests
{
    private static readonly Digest[] Digests = [.. Enumerable.Range(0, 5).Select(i => Digest.Of([(byte)i]))];
    private static readonly TagName[] Tags = [TagName.Parse("a"), TagName.Parse("b"), TagName.Parse("c")];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Folded_records_have_the_same_effect_as_all_records(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 300; round++)
        {
            LogRecord[] records = [.. Enumerable.Range(1, random.Next(1, 40)).Select(i => Record(i, Operations(random)))];
            var folded = LogFold.Of(records);
            Assert.Equal(State(records), State(folded));
            // A snapshot is folded again with what follows it.
            Assert.Equal(State(folded), State(LogFold.Of([.. LogFold.Of([.. records.Take(10)]), .. records.Skip(10)])));
            Assert.Equal(folded.Length, LogHead.ReadPart(LogHead.PartOf(folded)).Length);
        }
    }

    [Fact]
    public void Head_is_read_as_it_was_written()
    {
        var records = Enumerable.Range(1, 3).Select(i => Record(i, [new Operation.SetLive(Tags[0], Digests[i])])).ToArray();
        var head = LogHead.Empty.With(records) with { Parts = [new(0, 0, "x", true)], Mirrored = 2 };
        var read = LogHead.Read(head.ToBytes());
        Assert.Equal(head.ToBytes(), read.ToBytes());
        Assert.Equal((3, 2, records[1].Id), (read.Sequence, read.Mirrored, read.IdOf(2)!.Value));
        Assert.Null(read.IdOf(4));
    }

    private static LogRecord Record(int number, Operation[] operations) => new(
        Guid.NewGuid(), 0,
        new(number, DateTimeOffset.FromUnixTimeSeconds(number), "", [.. operations],
            [.. operations.Where(o => o is Operation.SetLive or Operation.RemoveTag).Select(_ => default(Digest))]));

    private static Operation[] Operations(Random random) => [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => One(random))];

    private static Operation One(Random random)
    {
        var (digest, other, tag) = (Digests[random.Next(5)], Digests[random.Next(5)], Tags[random.Next(3)]);
        return random.Next(12) switch
        {
            0 or 1 => new Operation.StoreManifest(digest, default) { Size = 5 },
            2 => new Operation.LinkBlob(digest, 7),
            3 or 4 => new Operation.SetLive(tag, digest),
            5 => new Operation.RemoveTag(tag),
            6 => new Operation.RemoveManifest(digest),
            7 => new Operation.RemoveBlob(digest),
            8 => new Operation.Hold(tag, digest, "ci", default, "a signature"),
            9 => new Operation.EndHold(tag),
            10 => new Operation.AddReferrer(other, new("", digest, 0)),
            _ => new Operation.AddEvidence(other, digest) { Counted = random.Next(2) == 0 },
        };
    }

    /// <summary>What a repository has after records, in one line each.</summary>
    private static SortedDictionary<string, string> State(IEnumerable<LogRecord> records)
    {
        var state = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var record in records)
        {
            foreach (var operation in record.Change.Operations) Apply(state, operation, record.Change);
        }
        return state;
    }

    private static void Apply(SortedDictionary<string, string> state, Operation operation, JournalRecord record)
    {
        switch (operation)
        {
            case Operation.StoreManifest o: state.TryAdd($"manifest {o.Digest}", $"{record.At}"); break;
            case Operation.LinkBlob o: state[$"blob {o.Digest}"] = $"{o.Size}"; break;
            case Operation.SetLive o: state[$"tag {o.Tag}"] = $"{o.Digest}"; break;
            case Operation.RemoveTag o: state.Remove($"tag {o.Tag}"); break;
            case Operation.RemoveBlob o: state.Remove($"blob {o.Digest}"); break;
            case Operation.Hold o: state[$"held {o.Tag}"] = $"{o.Digest} {record.Sequence}"; break;
            case Operation.EndHold o: state.Remove($"held {o.Tag}"); break;
            case Operation.AddReferrer o: state[$"about {o.Subject} referrer {o.Referrer.Digest}"] = ""; break;
            case Operation.AddEvidence o:
                var note = $"about {o.Subject} evidence {o.Evidence}";
                state[note] = o.Counted || state.GetValueOrDefault(note) == "counted" ? "counted" : "";
                break;
            case Operation.RemoveManifest o:
                state.Remove($"manifest {o.Digest}");
                foreach (var about in state.Keys.Where(k => k.StartsWith("about ", StringComparison.Ordinal)).ToArray())
                {
                    if (about.EndsWith($"{o.Digest}", StringComparison.Ordinal)) state.Remove(about);
                }
                break;
        }
    }
}
