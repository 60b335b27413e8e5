using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.PullThrough;
using Scripted;
using Xunit;
using PullRig = Gateway.Tests.PullThrough.Rig;

namespace Gateway.Tests.Repositories;

/// <summary>The gate asks other replicas for manifests of content that nothing admits here, and believes none of them.</summary>
public sealed class NamedElsewhereGateTests : IAsyncLifetime
{
    private PullRig _rig = null!;
    private Telling _others = null!;
    private Repository _gate = null!;

    public async ValueTask InitializeAsync()
    {
        _rig = await PullRig.StartAsync();
        _others = new(_rig.Backing);
        var evaluations = new Evaluations(new(new() { Default = Outcome.Allow }), new(_rig.Volume.DecisionRing), _rig.Clock);
        _gate = new(
            _others, evaluations.Of(RepositoryName.Parse("hub/" + PullRig.Name), _others), _rig.Volume.Content, new(), takesPushes: false);
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    /// <summary>What the other replicas say.</summary>
    private sealed class Telling(IBacking inner) : DelegatingBacking(inner), IOtherReplicas
    {
        private int _asked;

        public Func<IReadOnlyList<Digest>?> Says { get; set; } = () => [];

        public Task Waits { get; set; } = Task.CompletedTask;

        public int Asked => Volatile.Read(ref _asked);

        public override IOtherReplicas Others => this;

        public async ValueTask<IReadOnlyList<Digest>?> NamingAsync(Digest content, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            await Waits;
            return Says();
        }
    }

    private async Task<Answer<IContent>> OpenAsync(string blob, bool isGateway = false)
    {
        var answer = await _gate.OpenBlobAsync(PullRig.Caller with { IsGateway = isGateway }, PullRig.D(blob), BlobUse.Head, default);
        if (answer is Answer<IContent>.Found { Value: var content }) await content.DisposeAsync();
        return answer;
    }

    [Fact]
    public async Task Look_in_vain_is_remembered_for_seconds()
    {
        var image = _rig.Hub.AddImage(PullRig.Name, "v1", ScriptedUpstream.Bytes(100, seed: 1));
        for (var i = 0; i < 3; i++) Assert.IsType<Answer<IContent>.Absent>(await OpenAsync(image.Config));
        Assert.Equal(1, _others.Asked);

        _others.Says = () => [PullRig.D(image.Digest)];
        _rig.Clock.Advance(TimeSpan.FromSeconds(6));

        Assert.IsType<Answer<IContent>.Found>(await OpenAsync(image.Config));
        Assert.IsType<Answer<IContent>.Found>(await OpenAsync(image.Layers[0]));
        Assert.Equal(2, _others.Asked);
    }

    [Fact]
    public async Task Concurrent_requests_share_one_look()
    {
        var image = _rig.Hub.AddImage(PullRig.Name, "v1", ScriptedUpstream.Bytes(100, seed: 2));
        var gate = new TaskCompletionSource();
        (_others.Says, _others.Waits) = (() => [PullRig.D(image.Digest)], gate.Task);
        var opening = Enumerable.Range(0, 20).Select(_ => OpenAsync(image.Config)).ToArray();
        await PullRig.UntilAsync(() => _others.Asked == 1);
        gate.SetResult();

        Assert.All(await Task.WhenAll(opening), answer => Assert.IsType<Answer<IContent>.Found>(answer));
        // A request that comes between the end of the look and its effect looks again; those after it share that look.
        Assert.InRange(_others.Asked, 1, 2);
    }

    [Fact]
    public async Task Manifest_that_the_upstream_lacks_or_that_does_not_name_the_blob_admits_nothing()
    {
        var image = _rig.Hub.AddImage(PullRig.Name, "v1", ScriptedUpstream.Bytes(100, seed: 3));
        var other = _rig.Hub.AddImage(PullRig.Name, "v2", ScriptedUpstream.Bytes(100, seed: 4));
        _others.Says = () => [Digest.Of("nothing"u8), PullRig.D(other.Digest)];

        Assert.IsType<Answer<IContent>.Absent>(await OpenAsync(image.Layers[0]));
        Assert.Equal(1, _others.Asked);
    }

    [Fact]
    public async Task Too_many_requests_and_a_silent_upstream_are_answered_as_not_known_now()
    {
        var image = _rig.Hub.AddImage(PullRig.Name, "v1", ScriptedUpstream.Bytes(100, seed: 5));
        _others.Says = () => null;
        Assert.IsType<Answer<IContent>.Unavailable>(await OpenAsync(image.Config));

        _others.Says = () => [PullRig.D(image.Digest)];
        _rig.Hub.When(_ => true).Respond(503);
        Assert.IsType<Answer<IContent>.Unavailable>(await OpenAsync(image.Config));
    }

    [Fact]
    public async Task The_gateway_itself_does_not_look_elsewhere()
    {
        Assert.IsType<Answer<IContent>.Absent>(await OpenAsync(Digest.Of("x"u8).ToString(), isGateway: true));
        Assert.Equal(0, _others.Asked);
    }
}
