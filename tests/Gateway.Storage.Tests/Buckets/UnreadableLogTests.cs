using System.Buffers.Binary;
using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a gateway does when it cannot read an object of a log: the object is damaged, or a newer version wrote it.</summary>
public sealed class UnreadableLogTests : IAsyncLifetime
{
    private const string Head = "gateway/heads/team/app/_head";
    private const string Damaged = "the log of team/app in the bucket of this registry is damaged; run gateway doctor";

    private static readonly RepositoryName OtherName = RepositoryName.Parse("team/other");

    private readonly MemoryBucket _bucket = new();
    private readonly AdvancedClock _clock = new();
    private readonly List<VolumeRig> _rigs = [];

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        foreach (var rig in _rigs) await rig.DisposeAsync();
    }

    /// <summary>Objects that no version of the gateway wrote.</summary>
    public static TheoryData<string> Damages => [.. DamagesByName.Keys];

    private static readonly Dictionary<string, Func<byte[], byte[]>> DamagesByName = new()
    {
        ["text"] = static _ => "<html>not found</html>"u8.ToArray(),
        ["no bytes"] = static _ => [],
        ["the first half"] = static head => head[..(head.Length / 2)],
        ["one byte less"] = static head => head[..^1],
        ["no checksum and one byte less"] = static head => head[..^9],
        ["another byte in a digest"] = static head => Flip(head, head.Length - 20),
        ["another byte in the format"] = static head => Flip(head, 5),
        ["another byte in a length"] = static head => Flip(head, head.AsSpan().IndexOf("sha256:"u8) - 1),
        ["another checksum"] = static head => Flip(head, head.Length - 1),
        ["random bytes after the number"] = static head => [.. head[..8], .. RandomBytes(4000)],
    };

    private static byte[] Flip(byte[] bytes, int at)
    {
        byte[] flipped = [.. bytes];
        flipped[at] ^= 1;
        return flipped;
    }

    private static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private async Task<VolumeRig> ReplicaAsync()
    {
        var rig = await SharedRig.OpenAsync(_bucket, _clock);
        _rigs.Add(rig);
        return rig;
    }

    private static IBacking Of(VolumeRig rig) => rig.Volume.Repositories.BuiltIn(VolumeRig.Name);

    private async Task<byte[]> BytesAsync(string key) => (await _bucket.ReadAsync(key, int.MaxValue, null, default)).Bytes.ToArray();

    private async Task ReplaceAsync(string key, byte[] bytes) => await _bucket.PutAsync(key, bytes, PutCondition.None, default);

    private async Task RefusesAsync(VolumeRig rig, Digest digest, string why)
    {
        // A digest accepts a read of the last second.
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(why, Assert.IsType<Result<TagState>.Unavailable>(await Of(rig).ResolveAsync(TagName.Parse("v1"), default)).Why);
        Assert.Equal(why, Assert.IsType<Result<StoredManifest>.Unavailable>(await Of(rig).ReadManifestAsync(digest, default)).Why);
        Assert.Equal(why, (await Assert.ThrowsAsync<StoreReadOnlyException>(() => VolumeRig.PushAsync(Of(rig), "v2", "more"))).Message);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damaged_head_is_answered_unavailable_with_the_repository_and_the_remedy_and_is_not_written_over(string damage)
    {
        var here = await ReplicaAsync();
        var digest = await VolumeRig.PushAsync(Of(here), "v1", "text");
        var damaged = DamagesByName[damage](await BytesAsync(Head));
        await ReplaceAsync(Head, damaged);
        foreach (var rig in (VolumeRig[])[here, await ReplicaAsync()]) await RefusesAsync(rig, digest, Damaged);
        Assert.Equal(damaged, await BytesAsync(Head));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Head_of_a_newer_version_is_answered_unavailable_with_the_reason_and_is_not_written_over(bool hasNewOperation)
    {
        var here = await ReplicaAsync();
        var digest = await VolumeRig.PushAsync(Of(here), "v1", "text");
        var newer = hasNewOperation ? WithUnknownOperation(LogHead.Read(await BytesAsync(Head))) : await BytesAsync(Head);
        if (!hasNewOperation) BinaryPrimitives.WriteInt32LittleEndian(newer.AsSpan(4), 7);
        await ReplaceAsync(Head, Summed(newer));
        foreach (var rig in (VolumeRig[])[here, await ReplicaAsync()])
            await RefusesAsync(rig, digest, "a newer version of the gateway wrote the log of team/app; upgrade this gateway");
        Assert.Equal(newer, await BytesAsync(Head));
    }

    private static byte[] WithUnknownOperation(LogHead head)
    {
        var marker = Digest.Of("marker"u8);
        var last = head.Tail[^1];
        var seen = last.Change with { Operations = [new Operation.Seen(marker, DateTimeOffset.UnixEpoch)], Previous = [] };
        var bytes = head.With([last with { Change = seen }]).ToBytes();
        // The code of an operation precedes the length of its digest.
        bytes[bytes.AsSpan().IndexOf(Encoding.ASCII.GetBytes(marker.ToString())) - 2] = 200;
        return bytes;
    }

    private static byte[] Summed(byte[] head)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(head.Length - 4), Crc32C.Of(head.AsSpan(0, head.Length - 4)));
        return head;
    }

    [Fact]
    public async Task Head_without_a_checksum_is_one_of_an_earlier_version_and_is_read()
    {
        var here = await ReplicaAsync();
        var digest = await VolumeRig.PushAsync(Of(here), "v1", "text");
        await ReplaceAsync(Head, (await BytesAsync(Head))[..^8]);
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(await ReplicaAsync()), "v1"));
        await VolumeRig.PushAsync(Of(here), "v2", "more");
    }

    [Fact]
    public async Task Head_of_an_earlier_version_whose_last_text_looks_like_a_checksum_is_read()
    {
        var here = await ReplicaAsync();
        await VolumeRig.PushAsync(Of(here), "v1", "text");
        var head = LogHead.Read(await BytesAsync(Head));
        var last = head.Tail[^1];
        var ended = last.Change with { Operations = [new Operation.EndHold(TagName.Parse("GWGS1234"))], Previous = [] };
        var bytes = head.With([last with { Change = ended }]).ToBytes()[..^8];
        Assert.Equal("GWGS1234"u8, bytes.AsSpan(bytes.Length - 8));
        Assert.Equal(ended.Operations, LogHead.Read(bytes).Tail[^1].Change.Operations);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(24)]
    public async Task Damaged_part_or_snapshot_is_answered_unavailable_by_a_gateway_that_needs_it(int rounds)
    {
        var here = await ReplicaAsync();
        var digest = await VolumeRig.PushAsync(Of(here), "v1", "text");
        // Records of 4 KiB: some 64 fill a tail, and sixteen parts become a snapshot.
        for (var i = 0; i < rounds; i++)
        {
            await Task.WhenAll(Enumerable.Range(0, 64).Select(j => Of(here).CommitAsync(
                new([new Operation.Hold(TagName.Parse($"h{j}"), digest, "ci", default, new('x', 4000))]), default).AsTask()));
        }
        var part = LogHead.Read(await BytesAsync(Head)).Parts[0];
        Assert.Equal(rounds > 20, part.IsSnapshot);
        var key = $"gateway/logs/team/app/{part.Name}";
        await ReplaceAsync(key, Flip(await BytesAsync(key), 1000));
        await RefusesAsync(await ReplicaAsync(), digest, Damaged);
        // The copy of this gateway has these records already.
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(here), "v1"));
    }

    [Fact]
    public async Task Poll_and_doctor_go_on_after_a_log_that_cannot_be_read_and_name_it()
    {
        var (here, other) = (await ReplicaAsync(), await ReplicaAsync());
        await VolumeRig.PushAsync(Of(other), "v1", "text");
        await other.Volume.Logs!.DisposeAsync();
        await ReplaceAsync(Head, "text"u8.ToArray());
        await ReplaceAsync("gateway/heads/a/_head", RandomBytes(500));
        var poll = here.Volume.Repositories.Poll!;
        await poll.RunAsync();
        Assert.Contains("is damaged (gateway/heads/", poll.Problem, StringComparison.Ordinal);
        var pushed = await VolumeRig.PushAsync(other.Volume.Repositories.BuiltIn(OtherName), "v1", "other");
        await poll.RunAsync();
        Assert.Equal(pushed, here.Volume.Pushed(OtherName).LiveOf(TagName.Parse("v1")));
        Assert.Contains(OtherName, here.Volume.Repositories.PushedAfter(null, 10).Items);
        var review = await BucketReview.RunAsync(_bucket, "", TimeSpan.FromSeconds(10), _clock, default);
        Assert.Equal((3, 2), (review.All, review.Unreadable.Count));
        Assert.All(review.Unreadable, why => Assert.Contains("restore this object from a version", why, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Repository_is_adopted_again_after_its_damaged_head_was_removed()
    {
        var here = await ReplicaAsync();
        var digest = await VolumeRig.PushAsync(Of(here), "v1", "text");
        await here.Volume.Logs!.DisposeAsync();
        await ReplaceAsync(Head, "text"u8.ToArray());
        await _bucket.DeleteAsync(Head, default);
        await here.RestartAsync();
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(here), "v1"));
        await VolumeRig.PushAsync(Of(here), "v2", "more");
    }


    /// <summary>As docs/buckets.md says.</summary>
    [Fact]
    public async Task What_only_a_log_had_is_adopted_from_the_notes_of_a_gateway_that_were_copied_to_the_bucket()
    {
        var (here, held) = (await ReplicaAsync(), TagName.Parse("held"));
        var digest = await VolumeRig.PushAsync(Of(here), "v1", "text");
        await Of(here).CommitAsync(
            new([
                new Operation.Hold(held, digest, "ci", DateTimeOffset.UnixEpoch.AddYears(200), "a signature"),
                new Operation.Release(digest, "ann", "checked by hand"), new Operation.AddEvidence(digest, Digest.Of("a signature"u8)),
                new Operation.Seen(digest, DateTimeOffset.UnixEpoch),
            ]),
            default);
        await here.Volume.Logs!.DisposeAsync();
        await ReplaceAsync(Head, "text"u8.ToArray());

        var notes = Path.Combine(here.Path, "gateway/shared/v2/repositories/team/app/_gateway");
        Assert.Equal("3", File.ReadLines(Path.Combine(notes, "position")).First());
        foreach (var file in Directory.EnumerateFiles(notes, "*", SearchOption.AllDirectories))
        {
            var key = $"docker/registry/v2/repositories/team/app/_gateway{file[notes.Length..]}";
            await ReplaceAsync(key, await File.ReadAllBytesAsync(file));
        }
        await _bucket.DeleteAsync(Head, default);

        await here.RestartAsync();
        foreach (var rig in (VolumeRig[])[here, await ReplicaAsync()])
        {
            Assert.Equal(digest, await VolumeRig.LiveAsync(Of(rig), "v1"));
            var copy = rig.Volume.Pushed(VolumeRig.Name);
            Assert.Equal((held, digest), (Assert.Single(copy.HeldPushes()).Tag, copy.HeldPushes()[0].Digest));
            Assert.Equal("ann", copy.ReleaseOf(digest)?.Actor);
            Assert.Equal(DateTimeOffset.UnixEpoch, copy.FirstSeen(digest));
            var evidence = Assert.IsType<Result<IReadOnlyList<Digest>>.Found>(await Of(rig).EvidenceAsync(digest, default));
            Assert.Contains(Digest.Of("a signature"u8), evidence.Value);
            await VolumeRig.PushAsync(Of(rig), "v2", "more");
        }
    }
}
