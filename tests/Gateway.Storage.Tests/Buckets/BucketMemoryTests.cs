using System.Security.Cryptography;
using Gateway.Oci;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Tests that count what the whole process allocates: no other test runs at the same time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class WholeProcess
{
    public const string Name = "whole process";
}

/// <summary>That the memory for a blob in a bucket does not grow with its length.</summary>
[Collection(WholeProcess.Name)]
public sealed class BucketMemoryTests
{
    // Many times the memory that may be allocated.
    private const long Length = 256L << 20;

    // Three parts (BucketContents.PartBytes), and what the runtime and the calls allocate. Measured: 10 MB for a push, 0.4 MB for a pull.
    private const long Most = 32L << 20;

    [Fact]
    public async Task Push_and_pull_of_a_blob_allocate_a_few_parts()
    {
        var block = RandomNumberGenerator.GetBytes(1 << 20);
        var bucket = new GeneratedBucket(block);
        await using var rig = await VolumeRig.OpenAsync(openPushed: copies => new BucketContents(bucket, "", copies, TimeProvider.System));
        var digest = DigestOf(new RepeatedStream(block, 0, Length));
        var (repository, before) = (rig.Volume.Pushed(VolumeRig.Name), GC.GetTotalAllocatedBytes(precise: true));

        await using (var upload = await repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default))
        {
            await upload.AppendAsync(new RepeatedStream(block, 0, Length), default);
            Assert.Equal(digest, await upload.FinishAsync(DigestAlgorithm.Sha256, default));
            await repository.CommitAsync(new([new Operation.LinkBlob(digest, Length, upload.Id)]), default);
        }
        var pushed = GC.GetTotalAllocatedBytes(precise: true) - before;

        // A gateway that has no copy: it makes one while the blob is read.
        await using var other = await VolumeRig.OpenAsync(
            openPushed: copies => new BucketContents(bucket, "", copies, TimeProvider.System));
        before = GC.GetTotalAllocatedBytes(precise: true);
        var opened = await other.Volume.Content.OpenAsync(Lifetime.Pushed, digest, digest, Length, default);
        var sink = new CountingWriter();
        await using (var content = opened.Content!) await content.CopyToAsync(sink, 0, null, default);
        var pulled = GC.GetTotalAllocatedBytes(precise: true) - before;

        Assert.Equal(Length, sink.Count);
        TestContext.Current.TestOutputHelper?.WriteLine($"push {pushed} bytes, pull {pulled} bytes");
        Assert.InRange(pushed, 0, Most);
        Assert.InRange(pulled, 0, Most);
    }

    private static Digest DigestOf(Stream bytes) => Digest.FromHash(DigestAlgorithm.Sha256, SHA256.HashData(bytes));

    private sealed class CountingWriter : IBodyWriter
    {
        public long Count { get; private set; }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Count += bytes.Length;
            return ValueTask.CompletedTask;
        }

        public ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
        {
            Count += count;
            return ValueTask.CompletedTask;
        }
    }
}
