using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

internal sealed partial class CollectionModel
{
    /// <summary>One life of a gateway: a client pushes, mounts and deletes at it, and it looks after collections.</summary>
    private sealed class ModelGateway
    {
        private readonly CollectionModel _model;
        private readonly bool _isCollector;
        private readonly CollectionBucket _bucket;
        private readonly TimeProvider _clock;
        private readonly LogClock _logClock;
        private readonly CollectionGate _gate;
        private readonly BucketContents _contents;
        private readonly Dictionary<string, RepositoryLog> _logs = [];
        private bool _isIdle;

        public ModelGateway(CollectionModel model, bool isCollector)
        {
            (_model, _isCollector) = (model, isCollector);
            var random = model._random;
            var network = new FaultyBucket(
                model._store, _ => random.Next(12) > 0 ? Fault.None : (Fault)random.Next(1, 5), () => model._steps.WaitAsync(8));
            model._networks.Add(network);
            _bucket = new(network, model._time, model._bug, PauseAsync);
            _clock = new WrongClock(model._time, TimeSpan.FromMinutes(random.Next(3) * 10 - 10));
            _logClock = new(_clock)
            {
                NewId = model.NewId, PauseAsync = async _ => await PauseAsync(), WaitAsync = async (time, _) => await WaitAsync(time),
            };
            var objects = new CollectionObjects(_bucket, "", _logClock);
            _contents = new(_bucket, "", copies: null!, model._bug == CollectionBug.Believed ? new StoppedClock() : _clock);
            _gate = new(objects, static _ => false, model._bug == CollectionBug.Believed ? static () => { } : _contents.Forget);
        }

        /// <summary>Whether it was killed: from then on, none of its steps is done.</summary>
        public bool IsDead { get; set; }

        private async ValueTask PauseAsync()
        {
            await _model._steps.WaitAsync(_model._random.Next(40) == 0 ? 30 : 0);
            // A killed gateway waits for ever.
            if (IsDead) await Task.Delay(-1);
        }

        private async Task WaitAsync(TimeSpan time)
        {
            for (var began = _clock.GetTimestamp(); _clock.GetElapsedTime(began) < time;) await PauseAsync();
        }

        private RepositoryLog LogOf(string name) => _logs.TryGetValue(name, out var log) ? log : _logs[name] = new(
            new LogObjects(_bucket, "", name, _model.NewId), new ModelState(), _logClock, NullLogger.Instance) { Gate = _gate };

        public async Task ClientAsync()
        {
            var random = _model._random;
            for (var i = 0; i < 4; i++)
            {
                await WaitAsync(TimeSpan.FromMinutes(random.Next(4) * 6));
                var (name, at) = (Names[random.Next(Names.Length)], random.Next(Digests.Length));
                try
                {
                    await (random.Next(3) == 0 ? DeleteAsync(name, Digests[at]) : PushAsync(name, at, isMount: random.Next(2) == 0));
                }
                catch (IOException)
                {
                    // The client was not answered, or refused.
                    _model._refused++;
                }
            }
            _isIdle = true;
        }

        private Task<CommitResult> DeleteAsync(string name, Digest digest) =>
            LogOf(name).CommitAsync(new([new Operation.RemoveBlob(digest)]));

        private async Task PushAsync(string name, int at, bool isMount)
        {
            var (log, digest) = (LogOf(name), Digests[at]);
            for (var tries = 0; tries < 4; tries++)
            {
                var change = new Change([new Operation.LinkBlob(digest, 1)]) { PlacedUnder = log.Fence };
                await HoldUpAsync();
                if (isMount)
                {
                    if (await _contents.FindAsync(digest, 1, default) is null) return;
                }
                else await _contents.PutAsync(digest, Contents[at], Put.Durable, default);
                await HoldUpAsync();
                if (_model._bug == CollectionBug.FencedLate) change = change with { PlacedUnder = log.Fence };
                var result = await log.CommitAsync(change);
                if (result is CommitResult.Collected) continue;
                Assert.IsType<CommitResult.Committed>(result);
                _model._pushes++;
                return;
            }
        }

        // Mostly for one step; sometimes for longer than two collections take.
        private async Task HoldUpAsync()
        {
            await PauseAsync();
            if (_model._random.Next(8) == 0) await WaitAsync(Grace * _model._random.Next(1, 8));
        }

        /// <summary>Looks at the state as the poll does, and collects, until the client has ended.</summary>
        public async Task WorkAsync()
        {
            while (!_isIdle)
            {
                await WaitAsync(TimeSpan.FromSeconds(5));
                try
                {
                    await _gate.LookAsync(default);
                    if (_isCollector) await CollectAsync();
                }
                catch (IOException)
                {
                    // The next look tries again.
                }
            }
        }

        private async Task CollectAsync()
        {
            var objects = new CollectionObjects(_bucket.OfCollector(), "", _logClock);
            var collection = new BucketCollection(objects, _gate, FenceAsync);
            var grace = _model._bug == CollectionBug.NoWait ? TimeSpan.Zero : Grace;
            if (await collection.BeginAsync(grace, default) is { } begun)
            {
                try
                {
                    await collection.RemoveAsync(
                        begun.List, NamesAsync(), [], (_, _) => _model._removals++, default);
                }
                catch (IOException e) when (e is not CollectionTakenException)
                {
                    await collection.ReleaseAsync();
                }
                return;
            }
            if (_gate.Known.State is { Phase: not CollectionPhase.Done }) return;
            var linked = new HashSet<Digest>();
            await foreach (var name in NamesAsync()) linked.UnionWith(await LinksOfAsync(name));
            // As the product does, which lists the bytes: a later collection does not name what an earlier one has removed.
            var unlinked = new List<(Digest, long)>();
            foreach (var digest in Digests.Where(digest => !linked.Contains(digest)))
            {
                if (await _bucket.HeadAsync(BucketContents.KeyOf("", digest), default) is not null) unlinked.Add((digest, 1L));
            }
            if (unlinked.Count > 0) await collection.CondemnAsync(new([.. unlinked]), 0, default);
        }

        private async IAsyncEnumerable<string> NamesAsync()
        {
            await foreach (var found in _bucket.ListAsync(LogObjects.HeadsPrefix(""), null, default))
                yield return LogObjects.NameOf(found.Key, "").ToString();
        }

        private async Task<IReadOnlySet<Digest>> FenceAsync(string name, long run)
        {
            if (_model._bug == CollectionBug.NoSecondRead) return new HashSet<Digest>();
            if (_model._bug != CollectionBug.NoFence) await LogOf(name).FenceAsync(run);
            return await LinksOfAsync(name);
        }

        private async Task<IReadOnlySet<Digest>> LinksOfAsync(string name)
        {
            var objects = new LogObjects(_bucket, "", name, _model.NewId);
            return LogFold.NamesOf(await objects.FoldAsync((await objects.ReadAsync(null)).Head!)).Blobs;
        }
    }

    /// <summary>A clock that always shows the same moment: what was found once is believed for ever.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 1;
    }
}
