using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>A failing token server does not lead to a 404, and pulls work as soon as it answers again.</summary>
public sealed class TokenServerTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 72);

    /// <summary>The fault of the token server.</summary>
    public enum Fault
    {
        ServerError,
        Hang,
        Drop,
        WebPage,
        NoToken,
        NotFound,
    }

    private static void Break(ScriptedUpstream hub, Fault fault)
    {
        var rule = hub.When(r => r.IsToken);
        _ = fault switch
        {
            Fault.ServerError => rule.Respond(500),
            Fault.Hang => rule.HangBeforeHeaders(),
            Fault.Drop => rule.Drop(),
            Fault.WebPage => rule.Respond(200, "<html>", "text/html"),
            Fault.NoToken => rule.Respond(200, "{}"),
            _ => rule.Respond(404),
        };
    }

    [Theory]
    [InlineData(Fault.ServerError, true)]
    [InlineData(Fault.ServerError, false)]
    [InlineData(Fault.Hang, true)]
    [InlineData(Fault.Hang, false)]
    [InlineData(Fault.Drop, true)]
    [InlineData(Fault.WebPage, true)]
    [InlineData(Fault.NoToken, false)]
    [InlineData(Fault.NotFound, true)]
    public async Task Failing_token_server_makes_nothing_absent_and_pulls_work_when_it_recovers(Fault fault, bool known)
    {
        await using var rig = await Rig.StartAsync(speed: 40);
        rig.Hub.RequireToken();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        if (known)
        {
            await rig.PullTagAsync();
            rig.Hub.Tokens.Revoke();
            rig.Clock.Advance(TimeSpan.FromHours(1));
        }
        Break(rig.Hub, fault);
        for (var i = 0; i < 4; i++)
        {
            Assert.IsType<Answer<IContent>.Unavailable>(
                await rig.Gate.OpenBlobAsync(Rig.Caller, Rig.D(image.Layers[0]), BlobUse.Whole, default));
            Assert.Equal(known ? image.Digest : "Unavailable", await rig.PullTagAsync());
        }
        rig.Hub.Behave();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, image.Layers[0]));
        Assert.Equal(image.Digest, await rig.PullTagAsync());
    }

    [Theory]
    [InlineData(Fault.ServerError)]
    [InlineData(Fault.Hang)]
    public async Task Client_of_a_passthrough_upstream_gets_the_same_answer_under_a_policy(Fault fault)
    {
        await using var rig = await Rig.StartAsync(o => o with { Auth = UpstreamAuth.Passthrough }, speed: 40);
        (rig.Hub.RequireToken().Username, rig.Hub.Tokens.Password) = ("alice", "secret");
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var name = RepositoryName.Parse(Rig.Name);
        var view = new PrivateRepositories(rig.Fetches, rig.Clock).For(
            rig.Options, rig.Registry, name, new Credential("alice", "secret"), ManifestLimits.Plain,
            () => rig.Volume.Cached("hub", name));
        var policy = new PolicyOptions { Default = Outcome.Allow };
        var evaluations = new Evaluations(new PolicyEngine(policy), new(rig.Volume.DecisionRing), rig.Clock);
        var gate = new Repository(
            view, evaluations.Of(RepositoryName.Parse("hub/" + Rig.Name), view), rig.Volume.Content, new(), takesPushes: false);
        Assert.IsType<Answer<StoredManifest>.Found>(await gate.GetManifestAsync(Rig.Caller, new(TagName.Parse("v1")), default));
        rig.Hub.Tokens.Revoke();
        rig.Clock.Advance(TimeSpan.FromHours(1));
        Break(rig.Hub, fault);
        Assert.IsType<Answer<IContent>.Unavailable>(await BlobAsync());
        rig.Hub.Behave();
        Assert.IsType<Answer<IContent>.Found>(await BlobAsync());

        async Task<Answer<IContent>> BlobAsync()
        {
            var answer = await gate.OpenBlobAsync(Rig.Caller, Rig.D(image.Layers[0]), BlobUse.Whole, default);
            if (answer is Answer<IContent>.Found { Value: var content }) await content.DisposeAsync();
            return answer;
        }
    }
}
