using System.Collections.Immutable;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>A bug that a model must find.</summary>
public enum SeededBug
{
    /// <summary>None: the product as it is.</summary>
    None,

    /// <summary>The ETag of a head is made of the tags alone, so that it returns when the tags do.</summary>
    RepeatedETag,

    /// <summary>After a write without an answer, the head does not show whether the change was made.</summary>
    NoLook,

    /// <summary>A change is appended whatever its tag is bound to.</summary>
    NoExpectations,

    /// <summary>The head is written under the newest ETag, though its content is older.</summary>
    OldContentUnderFreshETag,

    /// <summary>A write that failed is sent again without its condition.</summary>
    BlindRetry,
}

/// <summary>
/// One interleaving of three replicas that change one repository through a bucket which loses answers, does writes late, and refuses. The
/// product's own code runs; each step is chosen by the seed.
/// </summary>
internal sealed class LogModel
{
    private const int Replicas = 3;
    private static readonly TagName Tag = TagName.Parse("v1");
    // Few, so that a tag returns to an earlier digest.
    private static readonly Digest[] Values = [Digest.Of("a"u8), Digest.Of("b"u8)];

    private readonly Steps _steps;
    private readonly Random _random;
    private readonly SeededBug _bug;
    private readonly MemoryBucket _bucket = new();
    private readonly FaultyBucket _network;
    private readonly List<Attempt> _attempts = [];
    private long _acknowledged;
    private int _number;

    private sealed record Attempt(Digest Marker, Digest From, Digest To)
    {
        public long? Sequence { get; set; }

        public bool IsRefused { get; set; }
    }

    private LogModel(int seed, SeededBug bug)
    {
        (_random, _bug, _steps) = (new(seed), bug, new(seed));
        _network = new(_bucket, _ => _random.Next(5) > 0 ? Fault.None : (Fault)_random.Next(1, 5), () => _steps.WaitAsync(6));
    }

    /// <summary>
    /// Runs one interleaving. Throws what Assert throws when a promise is broken. Returns how many changes had each result.
    /// </summary>
    public static (int Made, int Refused, int Unknown) Run(int seed, SeededBug bug)
    {
        var model = new LogModel(seed, bug);
        model._steps.Run(model.RunAsync);
        var (made, refused) = (model._attempts.Count(static a => a.Sequence is not null), model._attempts.Count(static a => a.IsRefused));
        return (made, refused, model._attempts.Count - made - refused);
    }

    private async Task RunAsync()
    {
        await Task.WhenAll(Enumerable.Range(0, Replicas).Select(ReplicaAsync).Append(LandAsync()));
        await _network.LandAsync();
        await CheckAsync();
    }

    private async Task LandAsync()
    {
        for (var i = 0; i < 6; i++)
        {
            await _steps.WaitAsync(8);
            await _network.LandAsync(1);
        }
    }

    private IBucket BucketOf() => _bug switch
    {
        SeededBug.None or SeededBug.NoExpectations => _network,
        _ => new BuggyBucket(_network, _bucket, _bug),
    };

    private async Task ReplicaAsync(int replica)
    {
        var state = new ModelState(_bug == SeededBug.NoExpectations);
        for (var life = 0; life < 2; life++)
        {
            var log = LogOf(BucketOf(), state);
            for (var i = 0; i < 2; i++) await (_random.Next(3) == 0 ? ReadAsync(log, state) : ChangeAsync(log, state));
            // A restart: what was applied last may not have been noted.
            state = state.Restarted(_random.Next(2) == 0);
        }
    }

    private RepositoryLog LogOf(IBucket bucket, ModelState state) => new(
        new LogObjects(bucket, "", "team/app", NewId), state,
        new LogClock(TimeProvider.System) { NewId = NewId, PauseAsync = async tries => await _steps.WaitAsync(tries) },
        NullLogger.Instance);

    private Guid NewId() => new(++_number, 0, 0, new byte[8]);

    private async Task ReadAsync(RepositoryLog log, ModelState state)
    {
        var acknowledged = _acknowledged;
        try
        {
            await log.ValidateAsync();
            Assert.True(state.Position.Sequence >= acknowledged, "a read after an acknowledged change does not see it");
        }
        catch (IOException)
        {
            // The bucket did not answer.
        }
    }

    private async Task ChangeAsync(RepositoryLog log, ModelState state)
    {
        var live = state.Live;
        // The client needs a while between the read and its push.
        await _steps.WaitAsync(_random.Next(4));
        var attempt = new Attempt(Digest.Of(BitConverter.GetBytes(++_number)), live, Values[_random.Next(Values.Length)]);
        _attempts.Add(attempt);
        var change = new Change([new Operation.Seen(attempt.Marker, default), new Operation.SetLive(Tag, attempt.To)])
        {
            Expectations = [new(Tag, attempt.From)],
        };
        try
        {
            var result = await log.CommitAsync(change);
            if (result is CommitResult.Committed committed)
            {
                attempt.Sequence = committed.Sequence;
                _acknowledged = Math.Max(_acknowledged, committed.Sequence);
            }
            else attempt.IsRefused = true;
        }
        catch (StoreReadOnlyException)
        {
            // Unknown: it may be made once, or not at all.
        }
    }

    private async Task CheckAsync()
    {
        var objects = new LogObjects(_bucket, "", "team/app", NewId);
        var head = (await objects.ReadAsync(null)).Head!;
        var records = new List<LogRecord>();
        foreach (var part in head.Parts) records.AddRange(await objects.ReadAsync(part));
        records.AddRange(head.Tail);
        Assert.Equal(Enumerable.Range(1, records.Count).Select(static n => (long)n), records.Select(static r => r.Sequence));
        var (live, made) = (default(Digest), new Dictionary<Digest, long>());
        foreach (var record in records)
        {
            var marker = record.Change.Operations.OfType<Operation.Seen>().Single().Digest;
            var attempt = _attempts.Single(a => a.Marker == marker);
            Assert.True(made.TryAdd(marker, record.Sequence), "a change was made twice");
            Assert.False(attempt.IsRefused, "a refused change was made");
            Assert.True(attempt.From == live, "a change was made though its expectation did not hold");
            live = attempt.To;
        }
        foreach (var attempt in _attempts.Where(static a => a.Sequence is not null))
            Assert.True(made.GetValueOrDefault(attempt.Marker) == attempt.Sequence, "an acknowledged change is not in the log");
        var fresh = new ModelState(false);
        await LogOf(_bucket, fresh).ValidateAsync();
        Assert.Equal(live, fresh.Live);
    }

    /// <summary>A copy that has one tag.</summary>
    private sealed class ModelState(bool ignoresExpectations) : ILogState
    {
        private (LogPosition Position, Digest Live) _before;

        public LogPosition Position { get; private set; }

        public Digest Live { get; private set; }

        /// <summary>The copy of the next process, perhaps with an older position, whose records it applies again.</summary>
        public ModelState Restarted(bool isOlder) => new(ignoresExpectations)
        {
            Position = isOlder ? _before.Position : Position, Live = Live,
        };

        public IReadOnlyList<CheckedChange> Check(IReadOnlyList<Change> changes, long sequence, DateTimeOffset at)
        {
            var (live, results) = (Live, new List<CheckedChange>());
            foreach (var change in changes)
            {
                var expected = change.Expectations[0];
                if (expected.Live != live && !ignoresExpectations)
                {
                    results.Add(new(new CommitResult.TagMoved(expected, live), null));
                    continue;
                }
                results.Add(new(null, new(++sequence, at, "", change.Operations, [live])));
                live = change.Operations.OfType<Operation.SetLive>().Single().Digest;
            }
            return results;
        }

        public ValueTask ApplyAsync(IReadOnlyList<LogRecord> records, LogPosition after, IReadOnlyDictionary<Guid, Change> own)
        {
            _before = (Position, Live);
            foreach (var record in records) Live = record.Change.Operations.OfType<Operation.SetLive>().Single().Digest;
            Position = after;
            return default;
        }

        public ValueTask ResetAsync(IReadOnlyList<LogRecord> folded, LogPosition after)
        {
            _before = (Position, Live);
            Live = folded.SelectMany(static r => r.Change.Operations).OfType<Operation.SetLive>().LastOrDefault()?.Digest ?? default;
            Position = after;
            return default;
        }
    }
}
