using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Seeded runs of a misbehaving upstream under readers that come, read anywhere, and leave: a reader gets the right bytes or a clean
/// failure, nothing wrong is kept, and never are two whole downloads of one digest under way.
/// </summary>
public sealed class FaultRuns
{
    /// <summary>Runs in all; a failure names its seed.</summary>
    private const int Runs = 240;

    // Above what is verified first, below what makes a run slow.
    private const int Large = (4 << 20) + 300_000;

    private static int _whole;

    [Fact]
    public async Task Readers_get_right_bytes_or_a_clean_failure_and_nothing_wrong_is_kept()
    {
        await using var rig = await Rig.StartAsync(speed: 20, hubs: 2);
        await Parallel.ForEachAsync(Enumerable.Range(1, Runs), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seed, _) =>
        {
            try
            {
                await RunAsync(rig, seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"run with seed {seed} failed: {e.Message}", e);
            }
        });
        await rig.SettleAsync();
        // Failing always would be clean too. How many get through a fault depends on who is faster; most do.
        Assert.True(_whole > Runs / 2, $"only {_whole} whole reads of {Runs} runs succeeded");
    }

    private static async Task RunAsync(Rig rig, int seed)
    {
        var random = new Random(seed);
        var layer = ScriptedUpstream.Bytes(random.Next(3) == 0 ? random.Next(1, 200_000) : Large + random.Next(200_000), seed);
        var name = $"run/{seed}";
        var digest = rig.Hub.AddBlob(name, layer);
        rig.OtherHub.AddBlob(name, layer);
        var hubs = new[] { rig.Hub, rig.OtherHub };
        foreach (var hub in hubs)
        {
            for (var faults = random.Next(0, 4); faults > 0; faults--)
                Script(hub.When(r => r.IsGet && r.IsBlob(digest)), random, layer.Length).Times(random.Next(1, 3));
        }
        var backing = rig.Pull(name);
        await Task.WhenAll(
            Enumerable.Range(0, random.Next(1, 6)).Select(i => ReadAnyhowAsync(backing, digest, layer, new(seed * 100 + i))));
        await Rig.UntilAsync(() => rig.Fetches.Find(Rig.D(digest)) is null);
        if (rig.IsKept(digest)) await AssertKeptAsync(backing, digest, layer);
    }

    /// <summary>One thing that an upstream may do wrong.</summary>
    private static Rule Script(Rule rule, Random random, int length) => random.Next(12) switch
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
        _ => rule.Chunked(),
    };

    /// <summary>Reads the whole or a part, and may hang up on the way.</summary>
    private static async Task ReadAnyhowAsync(PullThroughRepository backing, string digest, byte[] layer, Random random)
    {
        var isRange = random.Next(3) == 0;
        var from = isRange ? random.Next(0, layer.Length) : 0;
        var count = isRange ? random.Next(1, layer.Length - from + 1) : layer.Length;
        var use = isRange ? new BlobUse(BlobUseKind.Range, from, from + count - 1) : BlobUse.Whole;
        if (await backing.OpenBlobAsync(Rig.D(digest), use, default) is not Result<IContent>.Found { Value: var content }) return;
        await using var opened = content;
        var body = new Body(random.Next(4) == 0 ? random.Next(1, layer.Length + 1) : long.MaxValue);
        try
        {
            await content.CopyToAsync(body, from, isRange ? count : null, default);
        }
        catch (Exception e) when (e is IOException or ClientHungUpException)
        {
            Assert.True(isRange || body.Length < layer.Length || e is ClientHungUpException, "a whole body failed after its last byte");
            return;
        }
        // An early range is said to be unverified: it must have the right length, and the right bytes only when it says so.
        Assert.Equal(count, body.Length);
        if (isRange) return;
        Assert.Equal(SHA256.HashData(layer), SHA256.HashData(body.ToArray()));
        Interlocked.Increment(ref _whole);
    }

    private static async Task AssertKeptAsync(PullThroughRepository backing, string digest, byte[] layer)
    {
        var kept = await Rig.ReadAsync(backing, digest);
        Assert.True(kept.AsSpan().SequenceEqual(layer), "wrong bytes were kept");
    }
}
