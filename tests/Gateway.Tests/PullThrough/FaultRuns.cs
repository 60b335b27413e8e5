using System.Diagnostics;
using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Seeded runs of a misbehaving upstream with readers that come, read anywhere and leave. Every byte that a reader gets, of the whole blob
/// or a range, complete or not, is the byte at that offset. Other bytes are allowed only if the upstream flips bytes, and then only in a
/// whole blob that does not end, or in a range marked as unverified. Wrong bytes are never stored, and never do two downloads of one whole
/// blob run at the same time.
/// </summary>
public sealed class FaultRuns
{
    /// <summary>The number of runs; a failure names its seed.</summary>
    private const int Runs = 240;

    // In every run with such a number, a blob is large and slow enough to be fetched in ranges over several connections.
    private const int RunsPerLarge = 30;

    // The speed of the gateway's clock: ten seconds of patience are half a second of real time.
    private const int Speed = 20;

    private const int MiB = 1 << 20;

    // Bytes of one connection in a second of real time.
    private const int Throttled = 48 * MiB;

    private static readonly byte[] Noise = ScriptedUpstream.Bytes(36 * MiB, seed: 71);

    private static int _whole;
    private static int _ranged;

    private sealed record Run(int Seed, string Name, string Digest, byte[] Layer, bool Flips);

    [Fact]
    public async Task Readers_get_correct_bytes_or_a_clean_failure_and_wrong_bytes_are_never_stored()
    {
        await using var rig = await Rig.StartAsync(speed: Speed, hubs: 2);
        var runs = new Run[Runs];
        await Parallel.ForEachAsync(Enumerable.Range(1, Runs), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seed, _) =>
        {
            runs[seed - 1] = Script(rig, seed);
            await NamingAsync(seed, () => RunAsync(rig, runs[seed - 1]));
        });
        await rig.SettleAsync();
        // Failing always would be clean too. How many readers get through a fault depends on timing; most do.
        Assert.True(_whole > Runs / 2, $"only {_whole} whole reads of {Runs} runs succeeded");
        Assert.True(_ranged > Runs / 8, $"only {_ranged} ranged reads of {Runs} runs succeeded");
        rig.Hub.Behave();
        rig.OtherHub.Behave();
        rig.Clock.Advance(TimeSpan.FromMinutes(1));
        foreach (var run in runs.Where(r => !rig.IsStored(r.Digest))) await NamingAsync(run.Seed, () => HealsAsync(rig, run));
        await rig.SettleAsync();
        Assert.Empty(rig.Parts);
    }

    private static async Task NamingAsync(int seed, Func<Task> run)
    {
        try
        {
            await run();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"run with seed {seed} failed: {e.Message}", e);
        }
    }

    private static Run Script(Rig rig, int seed)
    {
        var random = new Random(seed);
        var isLarge = seed % RunsPerLarge == 0;
        var length = isLarge ? random.Next(33 * MiB, 36 * MiB)
            : random.Next(3) == 0 ? random.Next(8, 200_000)
            : (4 * MiB) + random.Next(300_000, 500_000);
        // Copying is ten times as fast as generating random bytes.
        var layer = Noise[..length];
        Noise.AsSpan(seed * 8, Math.Min(length, 8)).CopyTo(layer);
        var name = $"run/{seed}";
        var digest = rig.Hub.AddBlob(name, layer);
        rig.OtherHub.AddBlob(name, layer);
        var flips = false;
        foreach (var hub in new[] { rig.Hub, rig.OtherHub })
        {
            for (var faults = random.Next(0, 4); faults > 0; faults--)
            {
                var rule = Spoil(hub.When(r => r.IsGet && r.IsBlob(digest)), random, length, ref flips).Times(random.Next(1, 3));
                if (isLarge) rule.Throttle(Throttled);
            }
            if (isLarge) hub.When(r => r.IsGet && r.IsBlob(digest)).Throttle(Throttled);
        }
        return new(seed, name, digest, layer, flips);
    }

    /// <summary>One fault of an upstream.</summary>
    private static Rule Spoil(Rule rule, Random random, int length, ref bool flips)
    {
        var kind = random.Next(13);
        flips |= kind == 4;
        return kind switch
        {
            0 or 1 => rule.Cut(random.Next(0, length)),
            2 => rule.Reset(random.Next(0, length)),
            3 => rule.Hang(random.Next(0, length)),
            4 => rule.Flip(random.Next(0, length)),
            5 => rule.ClaimLength(length + random.Next(1, 1000)),
            6 => rule.ClaimLength(random.Next(0, length)),
            7 => rule.Respond(random.Next(500, 505)),
            8 => rule.Respond(404),
            9 => rule.Gzip(),
            10 => rule.NoRanges(),
            11 => rule.Header("ETag", $"\"{random.Next(3)}\""),
            _ => rule.Chunked(),
        };
    }

    private static async Task RunAsync(Rig rig, Run run)
    {
        var random = new Random(-run.Seed);
        var backing = rig.Pull(run.Name);
        await Task.WhenAll(Enumerable.Range(0, random.Next(1, 6)).Select(i => ReadAnyhowAsync(backing, run, new(run.Seed * 100 + i))));
        await Rig.UntilAsync(() => rig.Fetches.Find(Rig.D(run.Digest)) is null);
        if (rig.IsStored(run.Digest))
            Assert.True((await Rig.ReadAsync(backing, run.Digest)).AsSpan().SequenceEqual(run.Layer), "stored wrong bytes");
        AssertNeverTwoWholes(rig, run);
        if (run.Flips) return;
        foreach (var part in rig.Parts.Where(p => p.Contains(run.Digest["sha256:".Length..], StringComparison.Ordinal)))
            Assert.True(run.Layer.AsSpan().StartsWith(File.ReadAllBytes(part)), $"{part} is no beginning of the blob");
    }

    /// <summary>Reads the whole blob or a part, and may disconnect before the end.</summary>
    private static async Task ReadAnyhowAsync(PullThroughRepository backing, Run run, Random random)
    {
        var layer = run.Layer;
        var isRange = random.Next(3) == 0;
        var from = isRange ? random.Next(0, layer.Length) : 0;
        var count = isRange ? random.Next(1, layer.Length - from + 1) : layer.Length;
        var use = isRange ? new BlobUse(BlobUseKind.Range, from, from + count - 1) : BlobUse.Whole;
        if (await backing.OpenBlobAsync(Rig.D(run.Digest), use, default) is not Result<IContent>.Found found) return;
        await using var content = found.Value;
        var body = new Body(random.Next(4) == 0 ? random.Next(1, layer.Length + 1) : long.MaxValue, capacity: count);
        var announced = content.Length;
        var ended = false;
        try
        {
            await content.CopyToAsync(body, from, isRange ? count : null, default);
            ended = true;
            Assert.Equal(count, body.Length);
            _ = isRange ? Interlocked.Increment(ref _ranged) : Interlocked.Increment(ref _whole);
        }
        catch (Exception e) when (e is IOException or ClientHungUpException)
        {
            // The client sees the failure, because it got fewer bytes than were announced.
            Assert.True(
                isRange || body.Length < (announced ?? layer.Length) || e is ClientHungUpException,
                "a whole body failed after its last byte");
        }
        var mayBeWrong = run.Flips && (isRange ? found.Handling.Detail == CacheDetail.Unverified : !ended);
        Assert.True(
            mayBeWrong || layer.AsSpan(from, (int)body.Length).SequenceEqual(body.Bytes),
            $"wrong bytes in {body.Length} of bytes {from}-{from + count - 1} of {layer.Length}");
    }

    private static void AssertNeverTwoWholes(Rig rig, Run run)
    {
        var wholes = rig.Hub.Requests.Concat(rig.OtherHub.Requests).Where(r => r.IsBlob(run.Digest) && r.WholeAt is not null)
            .OrderBy(r => r.ArrivedAt).ToList();
        foreach (var (one, next) in wholes.Zip(wholes.Skip(1)))
        {
            // The gateway gave up a body that was too slow; the upstream notices that later.
            if (Stopwatch.GetElapsedTime(one.ArrivedAt, next.ArrivedAt) >= Pace.StallTimeout / Speed) continue;
            Assert.True(
                one.WholeAt <= next.ArrivedAt,
                $"two at a time, by {Stopwatch.GetElapsedTime(next.ArrivedAt, one.WholeAt!.Value)}: {one}; {next}");
        }
    }

    /// <summary>After any run, the blob can be pulled once the upstream behaves. A damaged part may cost one attempt.</summary>
    private static async Task HealsAsync(Rig rig, Run run)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                if (await rig.Pull(run.Name).OpenBlobAsync(Rig.D(run.Digest), BlobUse.Whole, default) is Result<IContent>.Found found)
                {
                    await using (found.Value) Assert.True((await Rig.ReadAsync(found.Value)).AsSpan().SequenceEqual(run.Layer));
                    return;
                }
                Assert.True(tries < 4, "it is not given");
            }
            catch (IOException) when (tries < 4)
            {
            }
        }
    }
}
