using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class LinkIndexTests : IDisposable
{
    private readonly IndexRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Written_record_is_read_until_it_is_removed()
    {
        await using var index = await _rig.OpenAsync(7);
        index.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1));
        index.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1, version: 2));

        Assert.True(index.TryRead(IndexRig.KeyOf(1), out var record));
        Assert.Equal(IndexRig.LinkOf(1, version: 2) with { Generation = 7 }, record);
        Assert.Equal(IndexRig.DigestOf(2), record.Parent.ToDigest());
        Assert.False(index.TryRead(IndexRig.KeyOf(2), out _));

        index.Remove(IndexRig.KeyOf(1));
        Assert.False(index.TryRead(IndexRig.KeyOf(1), out _));
    }

    [Fact]
    public void Links_that_differ_in_one_field_have_different_keys()
    {
        LinkKey[] keys =
        [
            LinkKey.Of(1, "a/b", LinkKind.Blob, IndexRig.DigestOf(2)),
            LinkKey.Of(2, "a/b", LinkKind.Blob, IndexRig.DigestOf(2)),
            LinkKey.Of(1, "a/c", LinkKind.Blob, IndexRig.DigestOf(2)),
            LinkKey.Of(1, "a/b", LinkKind.Manifest, IndexRig.DigestOf(2)),
            LinkKey.Of(1, "a/b", LinkKind.Blob, IndexRig.DigestOf(4)),
            LinkKey.Of(1, "a/b", LinkKind.Blob, IndexRig.DigestOf(3)),
            LinkKey.Of(1, new string('a', 2000), LinkKind.Blob, IndexRig.DigestOf(2)),
            LinkKey.Of(1, new string('a', 2001), LinkKind.Blob, IndexRig.DigestOf(2)),
        ];
        Assert.Distinct(keys);
        Assert.Equal(keys[0], LinkKey.Of(1, "a/b", LinkKind.Blob, IndexRig.DigestOf(2)));
    }

    [Fact]
    public async Task Hit_allocates_nothing()
    {
        await using var index = await _rig.OpenAsync(1);
        var digest = IndexRig.DigestOf(1);
        index.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1));
        Assert.True(ReadOften(index, digest));

        var before = GC.GetAllocatedBytesForCurrentThread();
        ReadOften(index, digest);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public async Task Concurrent_threads_read_the_same_values_as_from_a_dictionary()
    {
        await using var index = await _rig.OpenAsync(1);
        const int threads = 4, keys = 300, steps = 10_000;
        var model = new ConcurrentDictionary<int, LinkRecord>();
        // Each thread writes its own keys and reads all keys: records of other threads may be of any version, its own are exact.
        await Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Run(() =>
        {
            var random = new Random(thread);
            for (var step = 0; step < steps; step++)
            {
                var own = (random.Next(keys) * threads) + thread;
                var record = IndexRig.LinkOf(own, step) with { Generation = 1 };
                switch (random.Next(4))
                {
                    case 0: index.Write(IndexRig.KeyOf(own), record); model[own] = record; break;
                    case 1 when random.Next(4) == 0: index.Remove(IndexRig.KeyOf(own)); model.TryRemove(own, out _); break;
                    case 2: AssertSame(index, model, own); break;
                    default: AssertPossible(index, random.Next(keys * threads)); break;
                }
            }
        })));
        for (var number = 0; number < keys * threads; number++) AssertSame(index, model, number);
    }

    [Fact]
    public async Task Use_records_in_memory_and_on_disk_survive_a_clean_stop()
    {
        // Half a MiB of memory holds 5,000 records of 15,000; the others are on disk. Each is written three times, and every fifth is
        // removed.
        const int count = 15_000;
        await using (var index = IndexRig.OpenSmall(1, _rig.Folder))
        {
            await index.Opened;
            for (var version = 0; version < 3; version++)
            {
                for (var number = 0; number < count; number++) index.Write(Content(number), IndexRig.ContentOf(number, version));
            }
            for (var number = 0; number < count; number += 5) index.Remove(Content(number));
            AssertAll(index);
        }
        await using var again = IndexRig.OpenSmall(2, _rig.Folder);
        await again.Opened;
        AssertAll(again);

        static DigestKey Content(int number) => new(IndexRig.DigestOf(number));

        static void AssertAll(LinkIndex index)
        {
            for (var number = 0; number < count; number++)
            {
                var expected = number % 5 != 0;
                Assert.Equal(expected, index.TryRead(Content(number), out var read));
                if (expected) Assert.Equal(IndexRig.ContentOf(number, 2), read);
            }
        }
    }

    [Fact]
    public async Task Changes_made_while_the_lookup_index_opens_are_not_lost()
    {
        await using (var first = await _rig.OpenAsync(1))
        {
            first.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1));
            first.Write(IndexRig.KeyOf(2), IndexRig.LinkOf(2));
        }
        await using var second = LinkIndex.Open(_rig.Folder, 2, TimeProvider.System, NullLogger.Instance);
        second.Remove(IndexRig.KeyOf(1));
        second.Write(IndexRig.KeyOf(2), IndexRig.LinkOf(2, version: 9));
        await second.Opened;

        Assert.False(second.TryRead(IndexRig.KeyOf(1), out _));
        Assert.True(second.TryRead(IndexRig.KeyOf(2), out var record));
        Assert.Equal(IndexRig.LinkOf(2, version: 9) with { Generation = 2 }, record);
    }

    [Fact]
    public async Task Clean_stop_keeps_links_with_their_verdicts_and_the_number_of_their_start()
    {
        for (uint start = 1; start <= 3; start++)
        {
            await using var index = await _rig.OpenAsync(start);
            if (start == 1) index.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1));
            Assert.True(index.TryRead(IndexRig.KeyOf(1), out var record));
            Assert.Equal(IndexRig.LinkOf(1) with { Generation = 1 }, record);
        }
        Assert.Empty(_rig.SetAside);
    }

    [Fact]
    public async Task Crash_keeps_checkpointed_links_and_drops_their_verdicts_permanently()
    {
        var clock = new IndexClock();
        await using var crashed = IndexRig.OpenSmall(1, _rig.Folder, clock);
        await crashed.Opened;
        crashed.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1));
        clock.Advance(TimeSpan.FromSeconds(60));
        await WaitAsync(
            () => Directory.Exists(_rig.Folder) && Directory.GetFiles(_rig.Folder, "info.dat*", SearchOption.AllDirectories).Length == 2);
        crashed.Write(IndexRig.KeyOf(2), IndexRig.LinkOf(2));
        var folder = _rig.Copy();

        // The clean stop in between must not make the older verdict valid again.
        for (uint start = 2; start <= 3; start++)
        {
            await using var index = IndexRig.OpenSmall(start, folder);
            await index.Opened;
            Assert.True(index.TryRead(IndexRig.KeyOf(1), out var record));
            Assert.Equal((IndexRig.LinkOf(1) with { Generation = 1 }).WithoutVerdict(), record);
            Assert.False(index.TryRead(IndexRig.KeyOf(2), out _));
        }
    }

    private static Task WaitAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string awaited = "") =>
        Patience.UntilAsync(() => Task.FromResult(condition()), () => awaited);

    private static bool ReadOften(LinkIndex index, Digest digest)
    {
        var all = true;
        for (var i = 0; i < 1000; i++) all &= index.TryRead(LinkKey.Of(1, "team/app1", LinkKind.Blob, digest), out _);
        return all;
    }

    private static void AssertSame(LinkIndex index, ConcurrentDictionary<int, LinkRecord> model, int number)
    {
        Assert.Equal(model.TryGetValue(number, out var expected), index.TryRead(IndexRig.KeyOf(number), out var record));
        Assert.Equal(expected, record);
    }

    private static void AssertPossible(LinkIndex index, int number)
    {
        if (!index.TryRead(IndexRig.KeyOf(number), out var record)) return;
        Assert.Equal(IndexRig.LinkOf(number, record.Size & 0xFFFFF) with { Generation = 1 }, record);
    }
}
