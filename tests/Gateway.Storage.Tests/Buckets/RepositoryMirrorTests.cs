using System.Collections.Concurrent;
using System.Text;
using Gateway.Oci;
using Gateway.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The links of distribution's layout, which a replica writes after its commits and while other replicas commit.</summary>
public sealed class RepositoryMirrorTests
{
    private const string TagLink = "docker/registry/v2/repositories/team/app/_manifests/tags/v1/current/link";

    [Fact]
    public async Task Links_of_a_head_that_waited_do_not_overwrite_those_of_a_later_head_of_another_replica()
    {
        var memory = new MemoryBucket();
        var (gate, tasks, written) = (new TaskCompletionSource(), new List<Task>(), new ConcurrentQueue<BucketCall>());
        var bucket = new FaultyBucket(memory, Choose, () => new(gate.Task));
        var objects = new LogObjects(bucket, "", "team/app", Guid.NewGuid);
        var mirror = new RepositoryMirror(new(bucket, ""), objects, tasks.Add, NullLogger.Instance);
        var first = After(LogHead.Empty, "one");
        var second = After(first, "two");
        var third = After(second, "three");
        mirror.Written(first);
        await Patience.UntilAsync(() => Task.FromResult(!written.IsEmpty), () => "the links of the first change are being written");
        mirror.Written(second);
        await objects.PutAsync(third.ToBytes(), null);
        gate.SetResult();

        await Assert.Single(tasks);

        // The first change, then the last one.
        Assert.Equal(2, written.Count);
        var link = await memory.ReadAsync(TagLink, 1000, null, default);
        Assert.Equal(Digest.Of("three"u8).ToString(), Encoding.ASCII.GetString(link.Bytes.Span));

        Fault Choose(BucketCall call)
        {
            if (call is not { Verb: BucketVerb.Put, Key: TagLink }) return Fault.None;
            written.Enqueue(call);
            return Fault.Delayed;
        }
    }

    private static LogHead After(LogHead head, string text)
    {
        var operation = new Operation.SetLive(TagName.Parse("v1"), Digest.Of(Encoding.UTF8.GetBytes(text)));
        return head.With([new(Guid.NewGuid(), 0, new(head.Sequence + 1, DateTimeOffset.UnixEpoch, "team/app", [operation], [default]))]);
    }
}
