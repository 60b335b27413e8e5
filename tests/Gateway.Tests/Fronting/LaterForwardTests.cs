using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.PullThrough;
using Gateway.Tests.Repositories;
using Xunit;
using static Gateway.Tests.Fronting.FrontedRig;

namespace Gateway.Tests.Fronting;

/// <summary>Pushes that are answered before the upstream has them.</summary>
public sealed class LaterForwardTests
{
    [Fact]
    public async Task Push_is_accepted_and_visible_while_the_upstream_is_down_and_forwarded_afterwards()
    {
        await using var rig = await StartAsync(later: true);
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher));
        rig.GoDown();

        var answer = Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(rig.Gate, "v1", bytes, caller: Pusher));

        Assert.True(answer.Value.IsForwarding);
        Assert.Equal(Digest.Of(bytes).ToString(), await rig.SeenAsync(Puller, "v1"));
        Assert.Null(rig.There("v1"));
        rig.Hub.Behave();
        await rig.ArrivedAsync();
        Assert.Equal(Digest.Of(bytes).ToString(), rig.There("v1"));
        Assert.Equal(Digest.Of(bytes).ToString(), await rig.SeenAsync(Puller, "v1"));
        await Rig.UntilAsync(() => !rig.Staged.Manifests().Any() && rig.StagedBytes.Length == 0);
    }

    [Fact]
    public async Task Check_before_a_push_answers_absent_while_the_upstream_is_down()
    {
        await using var rig = await StartAsync(later: true);
        rig.GoDown();
        var (tag, blob) = (await rig.GetAsync(Pusher, "v1"), await rig.Gate.OpenBlobAsync(Pusher, Digest.Of("x"u8), BlobUse.Head, default));
        Assert.IsType<Answer<StoredManifest>.Unavailable>(tag);

        Assert.IsType<Answer<StoredManifest>.Absent>(rig.Gate.BeforePush(Pusher, tag));
        Assert.IsType<Answer<IContent>.Absent>(rig.Gate.BeforePush(Pusher, blob));
        Assert.Equal(tag with { SparesPushers = true }, rig.Gate.BeforePush(Puller, tag));
    }

    [Fact]
    public async Task Hundred_pushes_over_an_outage_and_a_kill_are_forwarded_once_each_in_order()
    {
        await using var rig = await StartAsync(later: true);
        var pushed = new List<Digest>();
        for (var i = 0; i < 100; i++)
        {
            if (i == 20) rig.GoDown();
            if (i == 60) await rig.RestartAsync(kill: true);
            var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(rig.Gate, $"config {i}", caller: Pusher));
            Assert.IsType<Answer<PushedManifest>.Found>(
                await GateRig.PutAsync(rig.Gate, i % 2 == 0 ? "latest" : $"v{i}", bytes, caller: Pusher));
            pushed.Add(Digest.Of(bytes));
        }

        rig.Hub.Behave();
        await rig.ArrivedAsync();

        Assert.Equal(pushed[98].ToString(), rig.There("latest"));
        for (var i = 1; i < 100; i += 2) Assert.Equal(pushed[i].ToString(), rig.There($"v{i}"));
        var manifests = rig.Hub.Requests.Where(r => r.Method == "PUT" && r.IsAnyManifest && r.Status == 201).Select(r => r.Reference)
            .ToArray();
        Assert.Equal(Enumerable.Range(0, 100).Select(i => i % 2 == 0 ? "latest" : $"v{i}"), manifests);
        Assert.Equal(100, rig.Writes().Count(w => w == "PUT blob"));
        await Rig.UntilAsync(() => rig.StagedBytes.Length == 0);
    }

    [Theory]
    [InlineData("POST", false)]
    [InlineData("PATCH", true)]
    [InlineData("PUT", true)]
    [InlineData("manifest", false)]
    [InlineData("manifest", true)]
    public async Task Forward_that_a_stop_or_kill_interrupts_at_a_step_completes_after_the_next_start(string step, bool kill)
    {
        await using var rig = await StartAsync(later: true);
        rig.Hub.When(r => step == "manifest" ? r.IsAnyManifest && r.Method == "PUT" : r.IsUpload && r.Method == step).Respond(503);
        var digest = await rig.PushedAsync("v1", "app");
        await rig.Hub.ReceivedAsync(r => r.Status == 503);

        await rig.RestartAsync(kill);
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "v1"));
        rig.Hub.Behave();
        await rig.ArrivedAsync();

        Assert.Equal(digest.ToString(), rig.There("v1"));
        Assert.Single(rig.Hub.Requests, r => r.Method == "PUT" && r.IsAnyManifest && r.Status == 201);
    }

    [Fact]
    public async Task Waiting_forwards_are_restored_from_the_journal_alone()
    {
        await using var rig = await StartAsync(later: true);
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher));
        rig.GoDown();
        await GateRig.PutAsync(rig.Gate, "v1", bytes, caller: Pusher);

        await rig.RestartAsync(kill: true, volume =>
        {
            var repository = Path.Combine(volume, "gateway/staged/v2/repositories/hub/app");
            Directory.Delete(Path.Combine(repository, "_gateway/forwards"), recursive: true);
            Directory.Delete(Path.Combine(repository, "_manifests"), recursive: true);
        });

        Assert.Equal(Digest.Of(bytes).ToString(), await rig.SeenAsync(Puller, "v1"));
        rig.Hub.Behave();
        await rig.ArrivedAsync();
        Assert.Equal(Digest.Of(bytes).ToString(), rig.There("v1"));
    }

    [Fact]
    public async Task Push_that_the_upstream_refuses_is_listed_and_given_up_and_the_next_is_forwarded()
    {
        await using var rig = await StartAsync(later: true);
        var first = await rig.PushedAsync("v1", "first");
        await rig.ArrivedAsync();
        rig.Hub.When(r => r.IsAnyManifest && r.Method == "PUT").Once().Respond(403, """{"errors":[{"code":"DENIED","message":"quota"}]}""");

        await rig.PushedAsync("v1", "second");
        var third = await rig.PushedAsync("v2", "third");
        await rig.ArrivedAsync();

        Assert.Contains("quota", Assert.Single(rig.Forwards).Refusal!, StringComparison.Ordinal);
        Assert.Equal(first.ToString(), await rig.SeenAsync(Puller, "v1"));
        Assert.Equal(third.ToString(), rig.There("v2"));
        await rig.RestartAsync(kill: true);
        Assert.False(Assert.Single(rig.Forwards).IsWaiting);
    }

    [Fact]
    public async Task Pushes_keep_waiting_while_the_upstream_refuses_the_account()
    {
        await using var rig = await StartAsync(later: true);
        rig.Hub.When(_ => true).Respond(401);
        await rig.PushedAsync("v1", "first");
        var second = await rig.PushedAsync("v2", "second");
        await Rig.UntilAsync(() => rig.Trouble is not null || rig.Forwards.Any(f => !f.IsWaiting));

        Assert.All(rig.Forwards, f => Assert.True(f.IsWaiting, f.Refusal));
        Assert.Equal(second.ToString(), await rig.SeenAsync(Puller, "v2"));
        rig.Hub.Behave();
        await rig.ArrivedAsync();
        Assert.Equal(second.ToString(), rig.There("v2"));
    }

    [Fact]
    public async Task Push_without_a_route_waits_with_a_reason_until_a_route_exists_again()
    {
        await using var rig = await StartAsync(later: true);
        rig.GoDown();
        var digest = await rig.PushedAsync("v1", "app");
        rig.HasRoute = false;
        await rig.RestartAsync(kill: true);
        await Rig.UntilAsync(() => rig.Trouble?.Contains("expected a route", StringComparison.Ordinal) == true);
        Assert.True(Assert.Single(rig.Forwards).IsWaiting);

        rig.Hub.Behave();
        rig.HasRoute = true;
        await rig.RestartAsync(kill: true);
        await rig.ArrivedAsync();
        Assert.Equal(digest.ToString(), rig.There("v1"));
    }

    [Fact]
    public async Task Signature_forwards_its_held_push_in_order_after_an_outage()
    {
        await using var rig = await StartAsync(r => r.Signed(OnMissing.Quarantine), later: true);
        var digest = await rig.PushedAsync("v1", "app");
        rig.GoDown();

        Assert.IsType<Answer<PushedManifest>.Found>(await rig.SignAsync(digest));
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "v1"));
        rig.Hub.Behave();
        await rig.ArrivedAsync();

        Assert.Equal([$"PUT {digest}", $"PUT sha256-{digest.Hex}.sig", "PUT v1"], rig.Writes().Where(w => w != "PUT blob"));
        await Rig.UntilAsync(() => !rig.Staged.Manifests().Any());
    }

    [Fact]
    public async Task Push_that_was_deleted_before_it_was_forwarded_is_not_forwarded()
    {
        await using var rig = await StartAsync(later: true);
        rig.Hub.When(r => r.IsWrite).Respond(503);
        var digest = await rig.PushedAsync("v1", "app");

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(digest), default));
        rig.Hub.Behave();
        await rig.ArrivedAsync();

        Assert.Null(rig.There("v1"));
        Assert.StartsWith("Absent", await rig.SeenAsync(Puller, "v1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Number_of_waiting_pushes_is_limited()
    {
        await using var rig = await StartAsync(later: true);
        rig.GoDown();
        await Task.WhenAll(Enumerable.Range(0, Gateway.Fronting.FrontedRepository.MaxWaiting).Select(i =>
            rig.Staged.CommitAsync(new([new Operation.Forward([Digest.Of("nothing"u8)], [])]), default).AsTask()));

        var (_, answer) = await rig.PushAsync("v1", "app");

        Assert.Contains("1000 pushes to this", Assert.IsType<Answer<PushedManifest>.Unavailable>(answer).Why, StringComparison.Ordinal);
    }
}
