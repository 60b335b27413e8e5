using System.Collections.Concurrent;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Faults;

/// <summary>Faults of a <see cref="FaultySet"/> in random order, while a load runs.</summary>
internal sealed class FaultRun(FaultySet set, MixedLoad load, Disturbances disturbances, Task running, int seed)
{
    /// <summary>Writes that are acknowledged between two faults.</summary>
    private const int Progress = 2;

    // Of a kill. Ten minutes are below the 15 at which stores refuse requests.
    private static readonly string[] Clocks = ["+10m", "-10m"];

    private readonly Random _faults = new(seed);
    private readonly Random _kills = new(seed + 1);
    private readonly ConcurrentDictionary<string, int> _counts = [];
    private readonly SemaphoreSlim[] _turns = [.. Enumerable.Range(0, BucketSet.Count).Select(_ => new SemaphoreSlim(1))];

    public override string ToString() => string.Join(", ", _counts.OrderBy(each => each.Key).Select(each => $"{each.Key} {each.Value}"));

    /// <summary>Faults between gateways, store, Redis and each other.</summary>
    public async Task FaultAsync(int count)
    {
        var random = _faults;
        for (var i = 0; i < count && !running.IsCompleted; i++)
        {
            var time = TimeSpan.FromMilliseconds(random.Next(100, 1500));
            // More of the ways to the store, which carry every acknowledged fact.
            await (random.Next(20) switch
            {
                0 => RedisAsync("Redis is silent", () => set.RedisProxy.Swallows = true, () => set.RedisProxy.Swallows = false, time),
                1 => RedisAsync("Redis refuses", () => set.RedisProxy.Refuses = true, () => set.RedisProxy.Refuses = false, time),
                2 => RedisAsync("Redis is slow", () => set.RedisProxy.Delay = time, () => set.RedisProxy.Delay = default, time),
                3 => DisturbAsync("Redis is flushed", set.Redis.FlushAsync),
                4 => DisturbAsync("password of Redis rotated", set.RotateRedisPasswordAsync),
                5 => PeerAsync(set.Peers[random.Next(BucketSet.Count)], time),
                6 => CountAsync("keys of the store rotated", set.Bucket.RotateKeysAsync),
                _ => StoreAsync(random, time),
            });
            await ProgressAsync();
        }
    }

    private async Task ProgressAsync()
    {
        var goal = load.Acknowledged + Progress;
        await Patience.UntilAsync(
            () => Task.FromResult(running.IsCompleted || load.Acknowledged >= goal), () => $"writes go on\n{this}\n{set.Bucket.Log}", 120);
        if (running.IsFaulted) await running;
    }

    private async Task CountAsync(string kind, Func<Task> fault)
    {
        await fault();
        _counts.AddOrUpdate(kind, 1, static (_, n) => n + 1);
    }

    private Task DisturbAsync(string kind, Func<Task> fault) => CountAsync(kind, () => disturbances.DuringAsync(fault));

    private Task RedisAsync(string kind, Action begin, Action end, TimeSpan time) => DisturbAsync(kind, async () =>
    {
        begin();
        set.RedisProxy.Cut();
        await Task.Delay(time); // the length of the fault
        end();
        set.RedisProxy.Cut();
    });

    private Task PeerAsync(FaultyProxy proxy, TimeSpan time) => DisturbAsync("gateway cut off from the others", async () =>
    {
        proxy.Refuses = true;
        proxy.Cut();
        await Task.Delay(time); // the length of the fault
        proxy.Refuses = false;
    });

    private Task StoreAsync(Random random, TimeSpan time)
    {
        var faults = Enum.GetValues<StoreFault>();
        var fault = faults[random.Next(faults.Length)];
        // One in four concerns all gateways.
        var which = random.Next(4 * BucketSet.Count / 3);
        var proxies = which < BucketSet.Count ? [set.Bucket.Proxies[which]] : set.Bucket.Proxies;
        var isPart = fault is StoreFault.SlowDown or StoreFault.LoseAnswer or StoreFault.LandLate or StoreFault.Halve;
        var oneIn = isPart ? random.Next(1, 4) : 1;
        return CountAsync(fault == StoreFault.None ? "store cut" : $"store {fault}", async () =>
        {
            foreach (var proxy in proxies)
            {
                (proxy.OneIn, proxy.Fault) = (oneIn, fault);
                if (fault is StoreFault.None or StoreFault.Refuse or StoreFault.Silence) proxy.Cut();
            }
            if (fault != StoreFault.None) await Task.Delay(time); // the length of the fault
            foreach (var proxy in proxies) proxy.Fault = StoreFault.None;
        });
    }

    /// <summary>Kills and pauses. Each gateway has one at a time; a long pause of one goes on beside those of the others.</summary>
    /// <param name="pause">The longest pause.</param>
    public async Task KillAsync(int count, TimeSpan pause)
    {
        var random = _kills;
        var pauses = new List<Task>();
        for (var i = 0; i < count && !running.IsCompleted; i++)
        {
            var which = random.Next(BucketSet.Count);
            while (!await _turns[which].WaitAsync(TimeSpan.Zero)) which = (which + 1) % BucketSet.Count;
            var kind = random.Next(8);
            // One gateway at a time is paused for long, so that another one can be killed and the third one serves.
            if (kind == 0 && pauses.TrueForAll(static each => each.IsCompleted))
                pauses.Add(InTurnAsync(which, () => PauseAsync(which, pause, $"paused for {pause.TotalSeconds:0} s")));
            else if (kind <= 2)
                await InTurnAsync(which, () => PauseAsync(which, TimeSpan.FromMilliseconds(random.Next(100, 3000)), "paused"));
            else
                await InTurnAsync(which, () => KillAsync(which, kind, random));
            await ProgressAsync();
        }
        await Task.WhenAll(pauses);
    }

    private async Task InTurnAsync(int which, Func<Task> fault)
    {
        try
        {
            await disturbances.DuringAsync(fault);
        }
        finally
        {
            _turns[which].Release();
        }
    }

    private Task PauseAsync(int which, TimeSpan time, string kind) => CountAsync(kind, async () =>
    {
        var server = set.Gateways[which].Server;
        server.Pause();
        await Task.WhenAny(Task.Delay(time), running); // the length of the fault
        server.Continue();
    });

    private Task KillAsync(int which, int kind, Random random)
    {
        var gateway = set.Gateways[which];
        var (name, by) = kind switch
        {
            3 => ("killed, its disk lost", []),
            4 => Clocks[random.Next(Clocks.Length)] is var clock ? ($"killed, then its clock {clock}", Skewed(clock)) : default,
            _ => ("killed", (string[])[]),
        };
        return CountAsync(name, async () =>
        {
            await gateway.Server.KillAsync();
            if (kind == 3) Directory.Delete(gateway.Storage, recursive: true);
            await gateway.StartAgainAsync(by: by);
        });
    }

    private static string[] Skewed(string offset) => ["env", .. WrongClock.By(offset).Select(each => $"{each.Key}={each.Value}")];
}
