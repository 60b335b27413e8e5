using System.Diagnostics;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class FasterStoreTests : IDisposable
{
    private const int Count = 5_000;

    private readonly IndexRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Compaction_frees_unused_log_and_keeps_used_records_over_a_restart()
    {
        using (var store = Open())
        {
            // 60 times 5,000 records of 152 bytes are 43 MiB: more than one segment of 32.
            for (ulong version = 0; version < 60; version++) WriteAll(store, version);
            await store.CompactAsync();
            await store.CheckpointAsync(default);
            // FASTER removes the old segment on its own thread, when no call can be using it any more.
            var oldest = Path.Combine(_rig.Folder, "log.0");
            var waited = Stopwatch.StartNew();
            do AssertAll(store);
            while (File.Exists(oldest) && waited.Elapsed < Patience.Of(30));
            Assert.False(File.Exists(oldest));

        }
        using var again = Open();
        AssertAll(again);
    }

    private FasterStore<LinkKey, LinkRecord> Open() =>
        FasterStore<LinkKey, LinkRecord>.Open(_rig.Folder, new IndexSizes(Log: 1 << 20, HashTable: 1 << 18));

    private static LinkKey Key(int number) => new((ulong)number * 0x9E37_79B9_7F4A_7C15, 0, 0, 0);

    private static void WriteAll(FasterStore<LinkKey, LinkRecord> store, ulong version)
    {
        for (var number = 0; number < Count; number++) store.Write(Key(number), new LinkRecord { Revision = version });
    }

    private static void AssertAll(FasterStore<LinkKey, LinkRecord> store)
    {
        for (var number = 0; number < Count; number++)
        {
            Assert.True(store.TryRead(Key(number), out var record));
            Assert.Equal(59u, record.Revision);
        }
    }
}
