using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>A bug of a collection that the model must find.</summary>
public enum CollectionBug
{
    /// <summary>None: the product as it is.</summary>
    None,

    /// <summary>What was condemned is removed at once.</summary>
    NoWait,

    /// <summary>A push does not spare what is condemned.</summary>
    NoRescue,

    /// <summary>The heads are not read again before the removal.</summary>
    NoSecondRead,

    /// <summary>The heads are read again, but not replaced.</summary>
    NoFence,

    /// <summary>The collector replaces the state whoever has written it since.</summary>
    UnconditionalDying,

    /// <summary>A removal may be done at any time.</summary>
    Undated,

    /// <summary>A removal is dated by when it is sent, not by the state that announced it.</summary>
    DatedWhenSent,

    /// <summary>A push believes that bytes are there which it found before the collection.</summary>
    Believed,

    /// <summary>A push notes the fence after it has looked for the bytes: collections may have passed since.</summary>
    FencedLate,
}

/// <summary>
/// One interleaving of gateways that push, mount and delete the same few blobs beside collectors, through a bucket that loses answers,
/// does writes late, lists what it had some time ago, and refuses. Gateways are paused and killed, and their clocks are wrong. The
/// product's own logs, gates, stores and collectors run; each step is chosen by the seed.
/// </summary>
internal sealed partial class CollectionModel
{
    private const int Gateways = 3;
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(20);
    private static readonly TimeSpan ListsLate = TimeSpan.FromMinutes(15);
    private static readonly string[] Names = ["one", "two", "three"];
    private static readonly byte[][] Contents = [[1], [2], [3]];
    private static readonly Digest[] Digests = [.. Contents.Select(static bytes => Digest.Of(bytes))];

    private readonly Steps _steps;
    private readonly Random _random;
    private readonly CollectionBug _bug;
    private readonly MemoryBucket _bucket;
    private readonly StaleLists _store;
    private readonly StoreClock _time = new();
    private readonly List<FaultyBucket> _networks = [];
    private string? _failure;
    private bool _isOver;
    private int _number;
    private int _pushes;
    private int _removals;
    private int _refused;

    private CollectionModel(int seed, CollectionBug bug)
    {
        (_random, _bug, _steps) = (new(seed), bug, new(seed));
        _bucket = new(time: _time);
        _store = new(_bucket, _time, () => _random.Next(4) == 0 ? ListsLate : TimeSpan.Zero, Check);
    }

    /// <summary>
    /// Runs one interleaving. Throws what Assert throws when an acknowledged push has lost bytes. Returns how many pushes were acknowledged
    /// and refused, and how many objects collections removed.
    /// </summary>
    public static (int Pushes, int Refused, int Removals) Run(int seed, CollectionBug bug)
    {
        var model = new CollectionModel(seed, bug);
        model._steps.Run(model.RunAsync);
        return (model._pushes, model._refused, model._removals);
    }

    private async Task RunAsync()
    {
        // Bytes that nothing links, from the time before.
        foreach (var i in Enumerable.Range(0, Contents.Length).Where(_ => _random.Next(2) == 0))
            await _bucket.PutAsync(BucketContents.KeyOf("", Digests[i]), Contents[i], PutCondition.None, default);
        _time.Advance(Grace);
        var time = TimeAsync();
        await Task.WhenAll(Enumerable.Range(0, Gateways).Select(i => GatewayAsync(i)));
        _isOver = true;
        await time;
        foreach (var network in _networks) await network.LandAsync();
        Check("at the end");
        Assert.True(_failure is null, _failure);
    }

    // Time passes between the steps: mostly little, sometimes much. What was sent is done sooner or later.
    private async Task TimeAsync()
    {
        while (!_isOver)
        {
            await _steps.WaitAsync(_random.Next(3));
            _time.Advance(TimeSpan.FromSeconds(_random.Next(8) switch { 0 => 300, 1 => 40, _ => 1 }));
            if (_networks.Count > 0 && _random.Next(3) == 0) await _networks[_random.Next(_networks.Count)].LandAsync(1);
        }
    }

    private async Task GatewayAsync(int i)
    {
        for (var life = 0; life < 2; life++)
        {
            var gateway = new ModelGateway(this, isCollector: i < 2);
            var ended = Task.WhenAll(gateway.ClientAsync(), gateway.WorkAsync());
            // A kill: what it sent may still be done, and nothing else.
            var killed = _random.Next(3) == 0 ? _steps.WaitAsync(_random.Next(150)).AsTask() : Task.Delay(-1);
            if (await Task.WhenAny(ended, killed) == ended) await ended;
            gateway.IsDead = true;
        }
    }

    // After each step of the store: whatever a log links has its bytes.
    private void Check(string what)
    {
        foreach (var name in Names)
        {
            if (_bucket.Peek($"{LogObjects.HeadsPrefix("")}{name}/_head") is not { } head) continue;
            foreach (var digest in LogFold.NamesOf(LogFold.Of(LogHead.Read(head).Tail)).Blobs)
            {
                if (_bucket.Peek(BucketContents.KeyOf("", digest)) is null)
                    _failure ??= $"{what}: {name} links {digest}, whose bytes are gone";
            }
        }
    }

    private Guid NewId() => new(++_number, 0, 0, new byte[8]);

    /// <summary>A copy that has the links of a repository.</summary>
    private sealed class ModelState : ILogState
    {
        public LogPosition Position { get; private set; }

        public IReadOnlyList<CheckedChange> Check(IReadOnlyList<Change> changes, long sequence, DateTimeOffset at) =>
            [.. changes.Select(change => new CheckedChange(null, new(++sequence, at, "", change.Operations, [])))];

        public ValueTask ApplyAsync(IReadOnlyList<LogRecord> records, LogPosition after, IReadOnlyDictionary<Guid, Change> own)
        {
            Position = after;
            return default;
        }

        public ValueTask ResetAsync(IReadOnlyList<LogRecord> folded, LogPosition after)
        {
            Position = after;
            return default;
        }
    }

    /// <summary>The store's clock, and the time that passes for every gateway.</summary>
    private sealed class StoreClock : TimeProvider
    {
        private static readonly DateTimeOffset Began = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        private TimeSpan _passed = TimeSpan.FromHours(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan time) => _passed += time;

        public override long GetTimestamp() => _passed.Ticks;

        public override DateTimeOffset GetUtcNow() => Began + _passed;
    }

    /// <summary>A gateway's clock, which is wrong.</summary>
    private sealed class WrongClock(TimeProvider right, TimeSpan ahead) : TimeProvider
    {
        public override long TimestampFrequency => right.TimestampFrequency;

        public override long GetTimestamp() => right.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => right.GetUtcNow() + ahead;
    }
}
