using System.Globalization;
using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Ranges of one large blob over several connections at a time.</summary>
public sealed class SideBySideTests
{
    private const int MiB = 1 << 20;
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(40 * MiB, seed: 41);

    [Fact]
    public async Task Upstream_that_limits_each_connection_gets_four_connections()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet).PauseFor(gate.Task, after: MiB);
        var reading = Task.Run(() => Rig.ReadAsync(rig.Backing, digest));
        await Rig.UntilAsync(() => rig.Gets(digest) == 4);
        gate.SetResult();
        Assert.True((await reading).AsSpan().SequenceEqual(Layer));
        var gets = rig.Hub.Requests.Where(r => r.IsGet).ToList();
        Assert.Null(gets[0].Range);
        Assert.All(gets.Skip(1), r => Assert.Matches(@"^bytes=\d+-\d+$", r.Range));
        Assert.Equal($"\"{digest}\"", gets[1].Headers["If-Range"]);
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
        Assert.True((await Rig.ReadAsync(rig.Backing, digest)).AsSpan().SequenceEqual(Layer));
        // No byte is requested twice, except those of the first response that were in transit when it was cut.
        Assert.Equal(Layer.Length - FirstOf(gets[1]), gets.Skip(1).Sum(r => LastOf(r) + 1 - FirstOf(r)));
    }

    [Fact]
    public async Task Fast_upstream_gets_one_connection()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        Assert.True((await Rig.ReadAsync(rig.Backing, digest)).AsSpan().SequenceEqual(Layer));
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet && r.Range is null));
    }

    [Fact]
    public async Task Slow_blob_below_32_MiB_uses_one_connection()
    {
        await using var rig = await Rig.StartAsync(speed: 10);
        var layer = Layer[..(31 * MiB)];
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        rig.Hub.When(r => r.IsGet).Throttle(31 * MiB);
        Assert.True((await Rig.ReadAsync(rig.Backing, digest)).AsSpan().SequenceEqual(layer));
        Assert.Equal(1, rig.Gets(digest));
    }

    [Theory]
    [InlineData(200)]
    [InlineData(206)]
    [InlineData(404)]
    [InlineData(416)]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Upstream_that_refuses_more_connections_continues_with_one_and_stays_healthy(int answer)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var small = rig.Hub.AddBlob(Rig.Name, Layer[..1000]);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest) && r.Range is null).PauseFor(gate.Task, after: MiB);
        var ranges = rig.Hub.When(r => r.Range is not null);
        _ = answer switch
        {
            200 => ranges.NoRanges(),
            206 => ranges.Header("Content-Range", $"bytes 0-{MiB - 1}/{Layer.Length}"),
            _ => ranges.Respond(answer).Header("Retry-After", "600"),
        };
        var reading = Task.Run(() => Rig.ReadAsync(rig.Backing, digest));
        await rig.Hub.ReceivedAsync(r => r.Range is not null && r.Status == answer);
        Assert.Equal(Layer[..1000], await Rig.ReadAsync(rig.Backing, small));
        gate.SetResult();
        Assert.True((await reading).AsSpan().SequenceEqual(Layer));
        Assert.Equal(2, rig.Gets(digest));
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("reset")]
    [InlineData("hang")]
    public async Task Bytes_that_a_failed_connection_did_not_fetch_are_fetched_by_others(string fault)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = PauseLine(rig);
        var ranges = rig.Hub.When(r => r.IsGet && r.Range is not null).Times(2);
        _ = fault switch
        {
            "cut" => ranges.Cut(after: 1_000_000),
            "reset" => ranges.Reset(after: 1_000_000),
            _ => ranges.Hang(after: 1_000_000),
        };
        var reading = Task.Run(() => Rig.ReadAsync(rig.Backing, digest));
        await HelpedAsync(rig, gate);
        Assert.True((await reading).AsSpan().SequenceEqual(Layer));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task First_connection_that_breaks_while_others_run_is_resumed()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).PauseFor(gate.Task, after: MiB).Cut(after: 2_000_000);
        var reading = Task.Run(() => Rig.ReadAsync(rig.Backing, digest));
        await HelpedAsync(rig, gate);
        Assert.True((await reading).AsSpan().SequenceEqual(Layer));
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet && r.Range is null));
        Assert.Contains(rig.Hub.Requests, r => r.Range is not null && FirstOf(r) == 2_000_000);
    }

    [Fact]
    public async Task Wrong_range_is_detected_before_the_last_byte_and_the_next_fetch_uses_one_connection()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        // Correct bytes for the whole blob, wrong bytes for ranges.
        var gate = PauseLine(rig);
        rig.Hub.When(r => r.IsGet && r.Range is not null).Flip(at: 30 * MiB);
        await using (var content = await Rig.OpenAsync(rig.Backing, digest))
        {
            var body = new Body();
            var reading = content.CopyToAsync(body, 0, null, default).AsTask();
            await HelpedAsync(rig, gate);
            await Assert.ThrowsAnyAsync<IOException>(() => reading);
            Assert.True(body.Length < Layer.Length);
        }
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
        var before = rig.Hub.Requests.Count;
        Assert.True((await Rig.ReadAsync(rig.Backing, digest)).AsSpan().SequenceEqual(Layer));
        Assert.DoesNotContain(rig.Hub.Requests.Skip(before), r => r.Range is not null);
    }

    [Fact]
    public async Task Bytes_after_a_gap_do_not_count_as_part_after_a_stop()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = PauseLine(rig);
        await using (var content = await Rig.OpenAsync(rig.Backing, digest))
        {
            var reading = content.CopyToAsync(new Body(), 0, null, default).AsTask();
            // The first connection stands still, so all bytes of the others lie after a gap.
            await rig.Hub.ReceivedAsync(r => r.Range is not null && r.BytesSent > 3 * MiB);
            await rig.RestartAsync();
            await Assert.ThrowsAnyAsync<IOException>(() => reading);
        }
        gate.SetResult();
        var part = await File.ReadAllBytesAsync(Assert.Single(rig.Parts));
        Assert.Equal(Layer[..part.Length], part);
        Assert.True((await Rig.ReadAsync(rig.Backing, digest)).AsSpan().SequenceEqual(Layer));
        await rig.SettleAsync();
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task Additional_connections_are_limited_for_each_upstream()
    {
        await using var rig = await Rig.StartAsync();
        var source = new UpstreamRepository(rig.Options, rig.Registry, RepositoryName.Parse(Rig.Name), rig.Clock);
        var places = Enumerable.Range(0, 100).Select(_ => rig.Fetches.Resources.Places.TryEnterBeside(source)).OfType<IDisposable>()
            .ToList();
        Assert.Equal(16, places.Count);
        places[0].Dispose();
        Assert.NotNull(rig.Fetches.Resources.Places.TryEnterBeside(source));
    }

    [Fact]
    public async Task Part_with_gaps_after_a_kill_is_resumed_at_the_first_gap()
    {
        await using var rig = await Rig.StartAsync();
        var digest = Digest.Parse(ScriptedUpstream.DigestOf("sparse"u8));
        var file = rig.Volume.Fetches.Open(digest, 1000)!;
        file.Write(0, new byte[100]);
        file.BeginAhead(100);
        file.Write(500, new byte[100]);
        file.NoteContiguous(120);
        // A kill ends nothing properly.
        await file.DisposeAsync();
        Assert.Equal(2, rig.Parts.Length);
        await using (var again = rig.Volume.Fetches.Open(digest, 1000)!) Assert.Equal(120, again.EarlierLength);
        Assert.Equal(120, new FileInfo(Assert.Single(rig.Parts)).Length);
    }

    /// <summary>The first whole response stops after a MiB until the gate opens.</summary>
    private static TaskCompletionSource PauseLine(Rig rig)
    {
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).PauseFor(gate.Task, after: MiB).Once();
        return gate;
    }

    // The second range is requested after the first was started.
    private static async Task HelpedAsync(Rig rig, TaskCompletionSource gate)
    {
        await Rig.UntilAsync(() => rig.Hub.Count(r => r.Range is not null) >= 2);
        gate.SetResult();
    }

    private static long FirstOf(ReceivedRequest request) => Bound(request, 0);

    private static long LastOf(ReceivedRequest request) => Bound(request, 1);

    private static long Bound(ReceivedRequest request, int which) =>
        long.Parse(request.Range!["bytes=".Length..].Split('-')[which], CultureInfo.InvariantCulture);
}
