using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Gateway.Transport;

/// <summary>
/// Memory that the server receives into. The server's own blocks have 4 KiB, and a body of 1 MiB takes 528 system calls with them (strace,
/// Kestrel 10.0.12). These have 64 KiB while few are in use. A connection that waits for a request has no block, and a request gives its
/// block back at its end.
/// </summary>
internal sealed class ReceiveBlocks : IMemoryPoolFactory<byte>
{
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool();

    private sealed class Pool : MemoryPool<byte>
    {
        private const int Small = 4096;
        private const int Large = 64 * 1024;

        // 4 MiB for each pool; the server has one for each of its queues. Further blocks are small, so that many connections that send
        // at a time take no more memory than with the server's own pool.
        private const int MostLarge = 64;

        // 4 MiB too. What a burst took beyond it goes back to the runtime.
        private const int MostSmallKept = 1024;

        private readonly ConcurrentStack<Block> _large = new();
        private readonly ConcurrentStack<Block> _small = new();
        private int _largeInUse;
        private int _smallFree;

        // What the server can ask for at most; it uses all of a larger block that it gets.
        public override int MaxBufferSize => Small;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, Small);
            if (Interlocked.Increment(ref _largeInUse) <= MostLarge) return _large.TryPop(out var large) ? large : new(this, Large);
            Interlocked.Decrement(ref _largeInUse);
            if (!_small.TryPop(out var small)) return new Block(this, Small);
            Interlocked.Decrement(ref _smallFree);
            return small;
        }

        protected override void Dispose(bool disposing)
        {
        }

        private void Return(Block block)
        {
            if (block.Size == Small)
            {
                if (Interlocked.Increment(ref _smallFree) <= MostSmallKept) _small.Push(block);
                else Interlocked.Decrement(ref _smallFree);
                return;
            }
            _large.Push(block);
            Interlocked.Decrement(ref _largeInUse);
        }

        private sealed class Block(Pool pool, int size) : IMemoryOwner<byte>
        {
            public int Size => size;

            // Pinned, because the kernel writes into it.
            public Memory<byte> Memory { get; } = GC.AllocateUninitializedArray<byte>(size, pinned: true);

            public void Dispose() => pool.Return(this);
        }
    }
}
