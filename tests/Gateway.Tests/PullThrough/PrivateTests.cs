using Gateway.Configuration;
using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>A passthrough upstream: cached content is shown only to clients to which the upstream gives it.</summary>
public sealed class PrivateTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(300_000, seed: 44);
    private static readonly Credential Alice = new("alice", "alices-secret");
    private static readonly Credential Bob = new("bob", "bobs-secret");

    private static async Task<Rig> StartAsync(Func<UpstreamOptions, UpstreamOptions>? configure = null, int denial = 403, int speed = 1)
    {
        var rig = await Rig.StartAsync(o => (configure ?? (same => same))(o with { Auth = UpstreamAuth.Passthrough }), speed);
        rig.Hub.RequireBasic("alice", "alices-secret");
        rig.Hub.RequireBasic("bob", "bobs-secret", name => name != Rig.Name);
        rig.Hub.Denial = denial;
        return rig;
    }

    private static PrivateRepositories Views(Rig rig) => new(rig.Fetches, rig.Clock);

    private static PrivateRepository See(Rig rig, PrivateRepositories views, Credential? client) =>
        views.For(
            rig.Options, rig.Registry, RepositoryName.Parse(Rig.Name), client, ManifestLimits.Plain,
            () => rig.Volume.Cached("hub", RepositoryName.Parse(Rig.Name)));

    /// <summary>Pulls an image as the gate would: tag, manifest and layer.</summary>
    private static async Task<ScriptedImage> WarmAsync(Rig rig, PrivateRepository alice)
    {
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.AddReferrer(Rig.Name, image.Digest, "application/vnd.test");
        var tag = Assert.IsType<Result<TagState>.Found>(await alice.ResolveAsync(TagName.Parse("v1"), default)).Value;
        var manifest = Assert.IsType<Result<StoredManifest>.Found>(await alice.ReadManifestAsync(tag.UpstreamDigest, default)).Value;
        await alice.CommitAsync(
            new([
                new Operation.StoreManifest(manifest.Digest, manifest.Bytes), new Operation.SetLive(TagName.Parse("v1"), manifest.Digest),
                new Operation.LinkBlob(Rig.D(image.Layers[0]), Layer.Length),
            ]),
            default);
        Assert.Equal(Layer, await Rig.ReadAsync(alice, image.Layers[0]));
        Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await alice.ReferrersAsync(Rig.D(image.Digest), default));
        await rig.SettleAsync();
        return image;
    }

    /// <summary>Sends every kind of request for an image, and returns the answers as text.</summary>
    private static async Task<string[]> AskEverythingAsync(PrivateRepository backing, string manifest, string layer) =>
    [
        Say(await backing.ResolveAsync(TagName.Parse("v1"), default)),
        Say(await backing.ReadManifestAsync(Rig.D(manifest), default)),
        Say(await backing.OpenBlobAsync(Rig.D(layer), BlobUse.Head, default)),
        Say(await backing.OpenBlobAsync(Rig.D(layer), new(BlobUseKind.Range, 200_000, 200_100), default)),
        Say(await backing.OpenBlobAsync(Rig.D(layer), BlobUse.Whole, default)),
        Say(await backing.ReferrersAsync(Rig.D(manifest), default)),
        Say(await backing.TagsAfterAsync(null, 10, default)),
        $"{(await backing.ReadLinkAsync(Rig.D(layer), LinkKind.Blob, default)) is null}, {await backing.ManifestsAsync().CountAsync()}",
    ];

    private static string Say<T>(Result<T> result) => result switch
    {
        Result<T>.Found { Value: IAsyncDisposable content } => Release(content),
        Result<T>.Unavailable no => $"Unavailable {no.Why}",
        _ => $"{result.GetType().Name} {result.Handling.UpstreamStatus} {result.Handling.Notice}",
    };

    private static string Release(IAsyncDisposable content)
    {
        _ = content.DisposeAsync().AsTask();
        return "Found";
    }

    [Fact]
    public async Task Read_while_the_proof_holds_allocates_as_little_as_without_a_view()
    {
        await using var rig = await StartAsync(o => o with { Tags = new() { Immutable = ["v1"] } });
        var alice = See(rig, Views(rig), Alice);
        var image = await WarmAsync(rig, alice);
        var (tag, manifest, layer) = (TagName.Parse("v1"), Rig.D(image.Digest), Rig.D(image.Layers[0]));

        // The smallest object has 24 bytes; less than that is noise of the runtime.
        // Code that is not compiled in its last form yet allocates more.
        var more = long.MaxValue;
        await Patience.UntilAsync(
            () => Task.FromResult((more = Math.Min(more, BytesOf(alice) - BytesOf(rig.Backing))) < 24),
            () => $"no bytes beyond those of a read without a view, got {more}");

        long BytesOf(IBacking backing)
        {
            for (var i = 0; i < 100; i++) Read(backing);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1000; i++) Read(backing);
            return (GC.GetAllocatedBytesForCurrentThread() - before) / 1000;
        }

        void Read(IBacking backing)
        {
            var resolving = backing.ResolveAsync(tag, default);
            Assert.True(resolving.IsCompletedSuccessfully);
            var reading = backing.ReadManifestAsync(manifest, default);
            Assert.True(reading.IsCompletedSuccessfully);
            var linked = backing.ReadLinkAsync(layer, LinkKind.Blob, default);
            Assert.True(linked.IsCompletedSuccessfully);
        }
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    public async Task Refused_client_sees_nothing_of_a_warm_cache_and_cannot_tell_it_from_a_cold_one(int denial)
    {
        await using var rig = await StartAsync(denial: denial);
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        var cold = ScriptedUpstream.DigestOf("never seen"u8);
        foreach (var stranger in (Credential?[])[Bob, new("alice", "guess"), null])
        {
            var warm = await AskEverythingAsync(See(rig, views, stranger), image.Digest, image.Layers[0]);
            Assert.All(warm[..^1], answer => Assert.StartsWith("Absent", answer, StringComparison.Ordinal));
            Assert.Equal("True, 0", warm[^1]);
            Assert.Equal(await AskEverythingAsync(See(rig, views, stranger), cold, cold), warm);
        }
    }

    [Fact]
    public async Task Admitted_client_is_served_from_the_cache_after_one_HEAD()
    {
        await using var rig = await StartAsync();
        rig.Hub.RequireBasic("carol", "c");
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        var before = rig.Hub.Requests.Count;
        var carol = See(rig, views, new("carol", "c"));
        Assert.Equal(Layer, await Rig.ReadAsync(carol, image.Layers[0]));
        var tag = Assert.IsType<Result<TagState>.Found>(await carol.ResolveAsync(TagName.Parse("v1"), default)).Value;
        Assert.Equal(image.Digest, tag.Live.ToString());
        Assert.True((await carol.ReadManifestAsync(Rig.D(image.Digest), default)).Handling.IsHit);
        var asked = Assert.Single(rig.Hub.Requests.Skip(before));
        Assert.Equal("HEAD 200", $"{asked.Method} {asked.Status}");
        Assert.Same(carol, See(rig, views, new("carol", "c")));
    }

    [Fact]
    public async Task Client_without_the_required_login_costs_one_HEAD_and_no_GET()
    {
        await using var rig = await StartAsync();
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        var before = rig.Hub.Requests.Count;
        var nobody = See(rig, views, null);
        Assert.Equal("Absent", Say(await nobody.ResolveAsync(TagName.Parse("v1"), default)).Split(' ')[0]);
        Assert.Equal("Absent", Say(await nobody.OpenBlobAsync(Rig.D(image.Layers[0]), BlobUse.Whole, default)).Split(' ')[0]);
        Assert.Equal(
            ["HEAD 401 v1", $"HEAD 401 {image.Layers[0]}"],
            rig.Hub.Requests.Skip(before).Select(r => $"{r.Method} {r.Status} {r.Reference}"));
    }

    [Fact]
    public async Task Revoked_right_ends_with_the_proof()
    {
        await using var rig = await StartAsync(o => o with { ProvenFor = TimeSpan.FromMinutes(2) });
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        rig.Hub.RemoveUser("alice", "alices-secret");
        rig.Clock.Advance(TimeSpan.FromSeconds(100));
        Assert.Equal("Found", Say(await See(rig, views, Alice).OpenBlobAsync(Rig.D(image.Layers[0]), BlobUse.Whole, default)));
        rig.Clock.Advance(TimeSpan.FromSeconds(21));
        var after = await AskEverythingAsync(See(rig, views, Alice), image.Digest, image.Layers[0]);
        Assert.All(after[..^1], answer => Assert.StartsWith("Absent 401", answer, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Refusal_ends_the_proof_at_once()
    {
        await using var rig = await StartAsync(o => o with { Tags = new() { RevalidateAfter = TimeSpan.Zero } });
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        rig.Hub.RequireBasic("alice", "alices-secret", _ => false);
        Assert.Equal("Absent", Say(await See(rig, views, Alice).ResolveAsync(TagName.Parse("v1"), default)).Split(' ')[0]);
        var blob = await See(rig, views, Alice).OpenBlobAsync(Rig.D(image.Layers[0]), BlobUse.Whole, default);
        Assert.Equal("Absent", Say(blob).Split(' ')[0]);
    }

    [Fact]
    public async Task Proof_holds_until_it_expires_while_the_upstream_is_down_and_then_nothing_is_shown()
    {
        await using var rig = await StartAsync(o => o with { ProvenFor = TimeSpan.FromHours(10) }, speed: 20);
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        rig.Hub.When(_ => true).Respond(503);
        rig.Clock.Advance(TimeSpan.FromHours(8));
        Assert.Equal(Layer, await Rig.ReadAsync(See(rig, views, Alice), image.Layers[0]));
        Assert.IsType<Result<Page<TagName>>.Found>(await See(rig, views, Alice).TagsAfterAsync(null, 10, default));
        rig.Clock.Advance(TimeSpan.FromHours(3));
        foreach (var client in (Credential?[])[Alice, Bob, null])
        {
            var answers = await AskEverythingAsync(See(rig, views, client), image.Digest, image.Layers[0]);
            Assert.All(answers[..^1], answer => Assert.StartsWith("Unavailable", answer, StringComparison.Ordinal));
            Assert.Equal("True, 0", answers[^1]);
        }
    }

    [Fact]
    public async Task Permitted_clients_share_one_fetch_and_a_refused_client_does_not_join_it()
    {
        await using var rig = await StartAsync();
        rig.Hub.RequireBasic("carol", "c");
        var views = Views(rig);
        var big = ScriptedUpstream.Bytes(6_000_000, seed: 45);
        var image = rig.Hub.AddImage(Rig.Name, "v1", big);
        rig.Hub.When(r => r.IsGet && r.IsBlob(image.Layers[0])).Throttle(6_000_000);
        var alice = Rig.ReadAsync(See(rig, views, Alice), image.Layers[0]);
        await rig.Hub.ReceivedAsync(r => r.IsGet && r.IsBlob(image.Layers[0]));
        var carol = Rig.ReadAsync(See(rig, views, new("carol", "c")), image.Layers[0]);
        var bob = await See(rig, views, Bob).OpenBlobAsync(Rig.D(image.Layers[0]), BlobUse.Whole, default);
        Assert.Equal("Absent", Say(bob).Split(' ')[0]);
        Assert.Equal(big, await alice);
        Assert.Equal(big, await carol);
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet && r.IsBlob(image.Layers[0]) && r.Status == 200));
        Assert.True(rig.Heads(image.Layers[0]) >= 2);
    }

    [Fact]
    public async Task Fetch_whose_credentials_are_refused_continues_with_those_of_another_reader()
    {
        await using var rig = await StartAsync();
        rig.Hub.RequireBasic("carol", "c");
        var views = Views(rig);
        var big = ScriptedUpstream.Bytes(6_000_000, seed: 46);
        var image = rig.Hub.AddImage(Rig.Name, "v1", big);
        rig.Hub.When(r => r.IsGet && r.IsBlob(image.Layers[0])).Once().Throttle(500_000).Cut(after: 1_000_000);
        var alice = Rig.ReadAsync(See(rig, views, Alice), image.Layers[0]);
        await rig.Hub.ReceivedAsync(r => r.IsGet && r.IsBlob(image.Layers[0]));
        await using var carols = await Rig.OpenAsync(See(rig, views, new("carol", "c")), image.Layers[0]);
        rig.Hub.RemoveUser("alice", "alices-secret");
        Assert.Equal(big, await Rig.ReadAsync(carols));
        Assert.Equal(big, await alice);
    }

    [Fact]
    public async Task Blob_whose_HEAD_is_always_refused_is_proven_by_a_GET_without_reading_its_body()
    {
        await using var rig = await StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.When(r => r.IsHead && r.IsAnyBlob).Respond(403);
        var views = Views(rig);
        Assert.Equal(Layer, await Rig.ReadAsync(See(rig, views, Alice), image.Layers[0]));
        rig.Hub.Behave();
        rig.Hub.When(r => r.IsAnyManifest).RefuseHead();
        Assert.Equal("Found", Say(await See(rig, Views(rig), Alice).ReadManifestAsync(Rig.D(image.Digest), default)).Split(' ')[0]);
    }

    [Fact]
    public async Task Refused_client_that_repeats_a_request_costs_one_upstream_request_per_ten_seconds()
    {
        await using var rig = await StartAsync();
        var views = Views(rig);
        var image = await WarmAsync(rig, See(rig, views, Alice));
        var bob = See(rig, views, Bob);
        await bob.ReadManifestAsync(Rig.D(image.Digest), default);
        var asked = rig.Hub.Requests.Count;
        for (var i = 0; i < 20; i++) await bob.ReadManifestAsync(Rig.D(image.Digest), default);
        Assert.Equal(asked, rig.Hub.Requests.Count);
        rig.Hub.RequireBasic("bob", "bobs-secret");
        rig.Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal("Found", Say(await bob.ReadManifestAsync(Rig.D(image.Digest), default)).Split(' ')[0]);
    }

    [Fact]
    public async Task Client_password_is_sent_to_the_upstream_and_to_listed_token_servers_only()
    {
        await using var rig = await StartAsync();
        await using var elsewhere = await ScriptedUpstream.StartAsync("127.0.0.9");
        rig.Hub.When(r => r.IsAnyManifest).Challenge($"Bearer realm=\"{elsewhere.Url}token\",service=\"x\"");
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var refused = await See(rig, Views(rig), Alice).ReadManifestAsync(Rig.D(image.Digest), default);
        Assert.Equal("Absent", Say(refused).Split(' ')[0]);
        rig.Hub.Behave();
        rig.Hub.When(r => r.IsAnyManifest && r.Authorization is not null).Redirect(new Uri(elsewhere.Url, "/v2/x"));
        await See(rig, Views(rig), Alice).ReadManifestAsync(Rig.D(image.Digest), default);
        Assert.DoesNotContain(elsewhere.Requests, r => r.Authorization is not null);
    }

    [Fact]
    public async Task Number_of_views_is_limited()
    {
        await using var rig = await StartAsync();
        var views = Views(rig);
        var first = See(rig, views, Alice);
        for (var i = 0; i < 5000; i++) See(rig, views, new("mallory", $"{i}"));
        Assert.NotSame(first, See(rig, views, Alice));
    }
}
