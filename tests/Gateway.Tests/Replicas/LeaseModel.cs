using Gateway.Replicas;

namespace Gateway.Tests.Replicas;

/// <summary>
/// Three replicas that want one digest, a Redis, and faults: every step picks one enabled action at random, with the product's own
/// <see cref="FetchLease"/>. What a replica does about I/O follows <c>SharedFetch</c>; Redis follows the scripts of
/// <see cref="LeaseStore"/>.
/// </summary>
/// <param name="heals">Whether faults end; otherwise the replicas that still run must end without the others.</param>
internal sealed class LeaseModel(int seed, int faults, bool heals, LeaseBug bug)
{
    private const int Replicas = 3;
    private const int Chunks = 8;
    private const int MostSteps = 4000;

    // Ticks of the model's time that an unrenewed lease lasts; a note lasts to the end of a run.
    private const int Lifetime = 3;

    private readonly Random _random = new(seed);
    private readonly Replica[] _all = [.. Enumerable.Range(0, Replicas).Select(i => new Replica(i))];
    private readonly bool[,] _cut = new bool[Replicas, Replicas];
    private LeaseValue? _stored;
    private bool _redisIsUp = true;
    private int _ticksLeft;
    private long _fence;
    private int _faultsLeft = faults;
    private int _faultsUsed;
    private bool _onlyLostWrites = true;

    /// <summary>Requests to the upstream.</summary>
    public int Gets => _all.Sum(each => each.Gets);

    /// <summary>The states of the whole that occurred, as hashes.</summary>
    public HashSet<int> States { get; } = [];

    /// <summary>Runs to the end. Returns what was violated; null for nothing.</summary>
    public string? Run()
    {
        for (var step = 0; step < MostSteps; step++)
        {
            var actions = Actions();
            if (actions.Count > 0) actions[_random.Next(actions.Count)]();
            if ((_unfair ?? Violation()) is { } violated) return $"step {step}: {violated}: {this}";
            States.Add(ToString().GetHashCode(StringComparison.Ordinal));
            if (_all.All(each => each.State == LeaseState.Done || (!heals && (each.Dead || each.Paused)))) return null;
        }
        return $"did not end: {this}";
    }

    public override string ToString() =>
        $"{string.Join(' ', _all.Select(each => each.ToString()))} redis {(_redisIsUp ? "up" : "down")} {_stored} {_ticksLeft}";

    private string? _unfair;

    private bool Has(LeaseBug one) => bug.HasFlag(one);

    private string? Violation()
    {
        if (_all.FirstOrDefault(each => each.Connected != each.Lease.Downloads) is { } odd) return $"connection of {odd} without a reason";
        if (_onlyLostWrites && Gets > 1) return "a second request to the upstream, although all replicas and Redis answered";
        if (_all.Any(each => each.GetsOfProcess > 1 + FetchLease.MostFailures)) return "more requests than failed peers explain";
        if (_all.Any(each => each.Received > Chunks)) return "bytes received twice";
        return _all.Count(each => each.Lease.State == LeaseState.Lead && each.Lease.Value == _stored && _stored is not null) > 1
            ? "two leaders by one lease"
            : null;
    }

    private List<Action> Actions()
    {
        var actions = new List<Action>();
        foreach (var replica in _all.Where(each => each is { Dead: false, Paused: false }))
        {
            switch (replica.State)
            {
                case LeaseState.Idle:
                    actions.Add(() => Ask(replica));
                    break;
                case LeaseState.Lead or LeaseState.Alone:
                    actions.Add(() => Receive(replica));
                    actions.Add(() => Renew(replica));
                    break;
                case LeaseState.Follow:
                    actions.Add(() => Read(replica));
                    break;
                default:
                    break;
            }
        }
        if (_redisIsUp && _stored is { IsNote: false } && !IsRenewed(_stored)) actions.Add(Tick);
        if (_faultsLeft > 0 && _random.Next(6) == 0 && Fault() is { } fault) return [fault];
        if (heals && _faultsUsed > 0 && (_faultsLeft == 0 || _random.Next(20) == 0)) Heal(actions);
        return actions;
    }

    // A lease runs out only while nobody renews it.
    private bool IsRenewed(LeaseValue stored) =>
        _all.Any(each => each is { Dead: false, Paused: false, State: LeaseState.Lead } && each.Lease.Value == stored);

    private void Tick()
    {
        if (--_ticksLeft <= 0) _stored = null;
    }

    private void Ask(Replica replica)
    {
        var serving = _all.FirstOrDefault(each => each != replica && Serves(each) && Reaches(replica, each));
        if (!_redisIsUp)
        {
            Become(replica, replica.Lease.Silent(serving?.Url));
            return;
        }
        var found = Take(replica, replica.Lease.Distrusted);
        if (found.Id != replica.Id) Become(replica, replica.Lease.Held(found));
        else if (serving is null || Has(LeaseBug.DoesNotProbe)) Become(replica, replica.Lease.Granted(found));
        else
        {
            var note = serving.State == LeaseState.Done ? found with { Url = serving.Url, Id = "-", IsNote = true } : null;
            if (_stored == found) _stored = note;
            Become(replica, replica.Lease.Granted(found).Found(serving.Url));
        }
    }

    // A lease that a running leader has is replaced only by a replica that found it not serving.
    private void Store(LeaseValue value, LeaseValue? instead)
    {
        if (_stored is { IsNote: false } taken && taken != value && taken != instead && IsRenewed(taken))
            _unfair = $"the lease of a running leader was replaced by {value}";
        _stored = value;
    }

    private LeaseValue Take(Replica replica, LeaseValue? instead)
    {
        if (_stored is { } stored && stored != instead && (stored.Url != replica.Url || (stored.Id == replica.Id && !stored.IsNote)))
            return stored;
        _ticksLeft = Lifetime;
        Store(new(++_fence, replica.Id, replica.Url), _stored);
        return _stored!;
    }

    private void Renew(Replica replica)
    {
        if (!_redisIsUp) return;
        var lease = replica.Lease;
        if (lease is { State: LeaseState.Lead, Value: { } mine })
        {
            if (Has(LeaseBug.RenewsBlindly)) Store(mine, null);
            if (_stored == mine) _ticksLeft = Lifetime;
            var renewed = lease.Renewed(_stored);
            if (!Has(LeaseBug.IgnoresLostLease) || renewed.State == LeaseState.Lead) Become(replica, renewed);
            if (replica.Lease is { State: LeaseState.Lead, Value: { } kept } && kept != _stored)
                _unfair = $"a leader goes on after its renewal found {_stored}";
        }
        if (replica.Lease is { Downloads: true, Value: null })
        {
            var found = Take(replica, null);
            Become(replica, found.Id == replica.Id ? replica.Lease.Granted(found) : replica.Lease.Held(found));
        }
    }

    private void Receive(Replica replica)
    {
        replica.Position++;
        replica.Received++;
        if (replica.Position == Chunks) Finish(replica);
    }

    private void Read(Replica replica)
    {
        var peer = _all.Single(each => each.Url == replica.Lease.Peer);
        if (Serves(peer) && Reaches(replica, peer))
        {
            if (peer.Position > replica.Position) Receive(replica);
            return;
        }
        // A paused replica and a cut line look alike: no byte, and no answer to the question whether it goes on.
        if (Has(LeaseBug.WaitsForever) && (peer.Paused || !Reaches(replica, peer))) return;
        var failed = replica.Lease.PeerFailed();
        if (Has(LeaseBug.NeverAlone) && failed.State == LeaseState.Alone) failed = new(LeaseState.Idle, Distrusted: replica.Lease.Value);
        if (Has(LeaseBug.ForgetsWatermark)) replica.Position = 0;
        Become(replica, failed);
    }

    private void Finish(Replica replica)
    {
        var (before, mine) = (replica.Lease, replica.Lease.Value);
        Become(replica, before.Verified());
        if (!_redisIsUp || !before.Downloads || (_stored is not null && _stored != mine)) return;
        _stored = Has(LeaseBug.DeletesAtTheEnd) ? null : (mine ?? new(0, replica.Id, replica.Url)).Note;
    }

    private void Become(Replica replica, FetchLease lease)
    {
        if (lease.Downloads && !replica.Lease.Downloads)
        {
            replica.Gets++;
            replica.GetsOfProcess++;
        }
        replica.Lease = lease;
        replica.Connected = lease.Downloads;
    }

    // A dead process serves nothing; a paused one neither.
    private bool Serves(Replica peer) =>
        peer is { Dead: false, Paused: false } && (peer.Lease.Serves || (Has(LeaseBug.FollowersServe) && peer.State == LeaseState.Follow));

    private bool Reaches(Replica one, Replica other) => !_cut[one.Index, other.Index];

    private Action? Fault()
    {
        var (one, other) = (_all[_random.Next(Replicas)], _all[_random.Next(Replicas)]);
        var kind = _random.Next(8);
        Action? fault = kind switch
        {
            0 when !one.Dead => () => (one.Dead, one.Connected) = (true, false),
            1 when one is { Dead: false, Paused: false } => () => one.Paused = true,
            2 => () => _redisIsUp = false,
            3 => () => (_stored, _fence) = (null, 0),
            4 when one != other => () => _cut[one.Index, other.Index] = _cut[other.Index, one.Index] = true,
            5 => () => _stored = null,
            6 => () => _redisIsUp = true,
            _ => null,
        };
        if (fault is null) return null;
        return () =>
        {
            (_faultsLeft, _faultsUsed, _onlyLostWrites) = (_faultsLeft - 1, _faultsUsed + 1, _onlyLostWrites && kind is 3 or 5 or 6);
            fault();
            if (one.Dead) one.Lease = default;
        };
    }

    // Everything heals in the end. A process that died starts as another one at the same address, with what is on its disk.
    private void Heal(List<Action> actions)
    {
        foreach (var replica in _all)
        {
            if (replica.Paused && _random.Next(4) == 0) actions.Add(() => replica.Paused = false);
            if (replica.Dead && _random.Next(8) == 0) actions.Add(replica.Restart);
        }
        if (!_redisIsUp && _random.Next(6) == 0) actions.Add(() => _redisIsUp = true);
        if (_random.Next(10) == 0) actions.Add(() => Array.Clear(_cut));
    }

    private sealed class Replica(int index)
    {
        private int _starts;

        public int Index => index;

        public Uri Url { get; } = new($"http://10.0.0.{index + 1}:5002");

        public string Id => $"{index}-{_starts}";

        public FetchLease Lease { get; set; }

        public LeaseState State => Lease.State;

        public int Position { get; set; }

        /// <summary>Chunks from the upstream and from other replicas, in all processes.</summary>
        public int Received { get; set; }

        public int Gets { get; set; }

        public int GetsOfProcess { get; set; }

        public bool Connected { get; set; }

        public bool Dead { get; set; }

        public bool Paused { get; set; }

        public void Restart()
        {
            (Dead, Paused, GetsOfProcess, _starts) = (false, false, 0, _starts + 1);
            Lease = Position == Chunks ? new(LeaseState.Done) : default;
        }

        public override string ToString() =>
            $"{(Dead ? "dead" : State)}/{Position}/{Lease.Peer?.Host}/{Lease.Failures}{(Paused ? "/paused" : "")}";
    }
}
