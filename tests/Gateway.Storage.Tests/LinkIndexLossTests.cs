using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// The lookup index may be lost: whatever its files contain, it opens, and it returns only records that were written for that key.
/// </summary>
public sealed class LinkIndexLossTests : IDisposable
{
    // More than fits into the memory of a small index, so that records are read from disk too.
    private const int Count = 5_000;

    private static readonly LinkKey[] Keys = [.. Enumerable.Range(0, Count).Select(IndexRig.KeyOf)];
    private static readonly LinkRecord[] Links = [.. Enumerable.Range(0, Count).Select(number => IndexRig.LinkOf(number))];

    private static readonly Dictionary<Digest, ContentRecord> Content =
        Enumerable.Range(0, Count).ToDictionary(IndexRig.DigestOf, number => IndexRig.ContentOf(number));

    private readonly IndexRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(Damage.Delete, 15)]
    [InlineData(Damage.Truncate, 30)]
    [InlineData(Damage.FlipBit, 40)]
    [InlineData(Damage.Overwrite, 30)]
    public async Task Damaged_files_never_give_a_record_that_was_not_written(Damage damage, int times)
    {
        await WriteAsync(_rig.Folder, 1);
        for (var seed = 0; seed < times; seed++)
        {
            var folder = _rig.Copy();
            DamageFile(folder, damage, new Random((seed * 10) + (int)damage));

            var index = IndexRig.OpenSmall(2, folder);
            await index.Opened;
            for (var number = 0; number < Count; number++) AssertWrittenOrMissing(index, number);
            foreach (var (digest, written) in Content)
            {
                if (index.TryRead(new DigestKey(digest), out var record)) Assert.Equal(written, record);
            }
            await index.DisposeAsync();

            // An index that was off or empty works again at the next start.
            await using var next = IndexRig.OpenSmall(3, folder);
            await next.Opened;
            next.Write(Keys[0], Links[0]);
            Assert.True(next.TryRead(Keys[0], out var link));
            Assert.Equal(Links[0] with { Generation = 3 }, link);
            await next.DisposeAsync();
            Directory.Delete(Path.GetDirectoryName(folder)!, recursive: true);
        }
    }

    [Fact]
    public async Task Damage_detected_after_opening_turns_the_lookup_index_off_and_sets_it_aside()
    {
        await WriteAsync(_rig.Folder, 1);
        var log = Path.Combine(_rig.Folder, "links", "log.0");
        using (var file = File.OpenWrite(log)) file.Write(new byte[64 << 10]);

        await using var index = IndexRig.OpenSmall(2, _rig.Folder);
        await index.Opened;
        Assert.True(index.IsOn);
        Assert.True(index.TryRead(IndexRig.KeyOf(Count - 1), out _));
        Assert.False(index.TryRead(IndexRig.KeyOf(0), out _));
        Assert.False(index.IsOn);
        index.Write(IndexRig.KeyOf(1), IndexRig.LinkOf(1));
        index.Remove(IndexRig.KeyOf(2));
        await index.DisposeAsync();

        Assert.Single(_rig.SetAside);
        Assert.False(Directory.Exists(_rig.Folder));
    }

    [Fact]
    public async Task Only_the_last_folder_set_aside_is_kept()
    {
        for (uint start = 1; start <= 3; start++)
        {
            await WriteAsync(_rig.Folder, start);
            foreach (var file in Directory.EnumerateFiles(_rig.Folder, "log.*", SearchOption.AllDirectories))
                File.WriteAllBytes(file, new byte[1000]);
        }
        await WriteAsync(_rig.Folder, 4);
        Assert.Single(_rig.SetAside);
    }

    [Fact]
    public async Task Copy_taken_during_writes_recovers_or_starts_empty()
    {
        var clock = new IndexClock();
        await using var index = IndexRig.OpenSmall(1, _rig.Folder, clock);
        await index.Opened;
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(() =>
        {
            for (var number = 0; !stop.IsCancellationRequested; number = (number + 1) % Count)
            {
                index.Write(Keys[number], Links[number]);
                // Slow enough for the log to stay small.
                if (number % 500 == 0) Thread.Sleep(1);
            }
        });
        for (var copy = 0; copy < 5; copy++)
        {
            clock.Advance(TimeSpan.FromSeconds(60));
            var folder = _rig.Copy();
            await using var recovered = IndexRig.OpenSmall(2, folder);
            await recovered.Opened;
            Assert.True(recovered.IsOn);
            for (var number = 0; number < Count; number++)
            {
                if (recovered.TryRead(Keys[number], out var record))
                    Assert.Equal((Links[number] with { Generation = 1 }).WithoutVerdict(), record);
            }
        }
        await stop.CancelAsync();
        await writing;
    }

    private static async Task WriteAsync(string folder, uint generation)
    {
        await using var index = IndexRig.OpenSmall(generation, folder);
        await index.Opened;
        for (var number = 0; number < Count; number++)
        {
            index.Write(Keys[number], Links[number]);
        }
        foreach (var (digest, record) in Content) index.Write(new DigestKey(digest), record);
    }

    private static void AssertWrittenOrMissing(LinkIndex index, int number)
    {
        if (index.TryRead(Keys[number], out var link))
            Assert.True(link == Links[number] with { Generation = 1 } || link == (Links[number] with { Generation = 1 }).WithoutVerdict());
    }

    private static void DamageFile(string folder, Damage damage, Random random)
    {
        var files = Directory.GetFiles(folder, "*", SearchOption.AllDirectories);
        Array.Sort(files, string.CompareOrdinal);
        var path = files[random.Next(files.Length)];
        if (damage == Damage.Delete)
        {
            File.Delete(path);
            return;
        }
        using var file = File.Open(path, FileMode.Open);
        var at = random.NextInt64(Math.Max(1, file.Length));
        switch (damage)
        {
            case Damage.Truncate: file.SetLength(at); break;
            case Damage.FlipBit: Change(file, at, 1, bytes => bytes[0] ^= (byte)(1 << random.Next(8))); break;
            default: Change(file, at, 512, random.NextBytes); break;
        }
    }

    private static void Change(FileStream file, long at, int length, Action<byte[]> change)
    {
        var bytes = new byte[Math.Min(length, file.Length - at)];
        file.Position = at;
        file.ReadExactly(bytes);
        change(bytes);
        file.Position = at;
        file.Write(bytes);
    }

    public enum Damage
    {
        Delete = 1,
        Truncate = 2,
        FlipBit = 3,
        Overwrite = 4,
    }
}
