using System.Collections.Immutable;
using Gateway.Fronting;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Storage.Tests;
using Gateway.Tests.Repositories;
using Gateway.Upstream.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Fronting;

/// <summary>Blobs of one push that are sent at the same time.</summary>
public sealed class ForwarderTests : UpstreamTest
{
    private static readonly RepositoryName App = RepositoryName.Parse("team/app");

    [Fact]
    public async Task Blobs_of_a_push_wait_for_the_first_request_of_a_recovering_upstream()
    {
        await using var volume = await VolumeRig.OpenAsync();
        var upstream = await BuildAsync();
        Hub.When(r => r.IsAnyBlob).Respond(500).Times(3);
        for (var i = 0; i < 3; i++) await FailureOfAsync(upstream, Blob());
        Clock.Advance(TimeSpan.FromSeconds(10));
        var gate = new TaskCompletionSource();
        Hub.When(r => r.IsAnyBlob).Once().WaitFor(gate.Task);
        var clock = new HeldClock();
        var forwarder = new Forwarder(volume.Volume.Content, upstream, App, "hub/team/app", new(), clock, NullLogger.Instance);
        var (publication, blobs) = await StageAsync(volume.Volume);

        var sending = forwarder.SendBlobsAsync(publication, default);
        await clock.Waiting.WaitAsync(TimeSpan.FromSeconds(30));
        await Hub.ReceivedAsync(_ => Hub.Requests.Count == 4);
        gate.SetResult();
        await Hub.ReceivedAsync(r => r.Method == "POST");
        clock.Release();

        Assert.Null(await sending);
        Assert.All(blobs, blob => Assert.NotNull(Hub.FindBlob(App.Value, blob.Digest.ToString())));
    }

    /// <summary>An image whose config and layer are only here.</summary>
    private static async Task<(Publication Publication, Descriptor[] Blobs)> StageAsync(Volume volume)
    {
        var staged = volume.Staged("hub", App);
        Descriptor[] blobs = [await StageAsync(staged, "config"), await StageAsync(staged, "layer")];
        var bytes = GateRig.Manifest(blobs[0], blobs[1]);
        var manifest = ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest!;
        return (new([new(new(Digest.Of(bytes), manifest, bytes), ImmutableArray<TagName>.Empty, IsEvidence: false)]), blobs);
    }

    private static async Task<Descriptor> StageAsync(StoredRepository staged, string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        await using var upload = (await staged.OpenUploadAsync(DigestAlgorithm.Sha256, "ci", default))!;
        await upload.AppendAsync(new MemoryStream(bytes), default);
        var digest = await upload.FinishAsync(DigestAlgorithm.Sha256, default);
        await staged.CommitAsync(new([new Operation.LinkBlob(digest, upload.Length, upload.Id)]), default);
        return new(MediaTypes.OciConfig, digest, bytes.Length);
    }

    /// <summary>A clock whose timers fire when a test lets them. It reports the first timer.</summary>
    private sealed class HeldClock : TimeProvider
    {
        private readonly TaskCompletionSource _waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Action _fire = () => { };

        public Task Waiting => _waiting.Task;

        public void Release() => _fire();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _fire += () => callback(state);
            _waiting.TrySetResult();
            return System.CreateTimer(static _ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
