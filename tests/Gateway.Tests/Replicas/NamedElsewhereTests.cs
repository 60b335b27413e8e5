using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Replicas;
using Gateway.Tests.PullThrough;
using Gateway.Testing;
using Microsoft.Extensions.DependencyInjection;
using Scripted;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>Two replicas under a policy, where a client gets a manifest from one, and what the manifest names from the other.</summary>
public sealed class NamedElsewhereTests : IAsyncLifetime
{
    private const string Name = "team/app";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-named-");
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly Uri[] _addresses = [FreeAddress(), FreeAddress()];
    private ScriptedUpstream _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await ScriptedUpstream.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "secret"), "a-secret-of-all-replicas");
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        _key.Dispose();
        _folder.Delete(recursive: true);
    }

    private static Uri FreeAddress() => new($"http://127.0.0.1:{FreePorts.Next()}");

    /// <param name="i">Which of the two replicas.</param>
    /// <param name="key">The upstream's key there.</param>
    /// <param name="auth">Whose credentials the upstream gets.</param>
    private Task<GatewayRig> StartAsync(
        int i, PolicyOptions policy, string key = "corp", UpstreamAuth auth = default) => GatewayRig.StartAsync(options => options with
    {
        Upstreams = options.Upstreams.Add(key, new() { Key = key, Urls = [_hub.Url], Auth = auth }),
        Policy = policy,
        Replicas = new()
        {
            Peers = [_addresses[1 - i]], Listen = _addresses[i], SecretFile = Path.Combine(_folder.FullName, "secret"),
            Timeout = Patience.Of(30),
        },
    });

    private static async Task<HttpStatusCode> StatusAsync(
        GatewayRig at, string method, string path, string? range = null, string? who = null)
    {
        using var request = new HttpRequestMessage(new(method), $"/v2/{path}");
        if (range is not null) request.Headers.Range = RangeHeaderValue.Parse(range);
        if (who is not null) request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(who)));
        using var answer = await at.Client.SendAsync(request);
        return answer.StatusCode;
    }

    private void Sign(string digest)
    {
        var signature = LegacySignature.Of(Digest.Parse(digest), _key, log: null);
        _hub.AddBlob(Name, signature.Payload);
        _hub.AddBlob(Name, signature.Config);
        _hub.AddManifest(Name, signature.Manifest, MediaTypes.OciManifest, signature.Tag);
    }

    [Fact]
    public async Task Blob_of_a_manifest_that_another_replica_has_seen_is_served()
    {
        var image = _hub.AddImage(Name, "v1", ScriptedUpstream.Bytes(1000, seed: 1), ScriptedUpstream.Bytes(1000, seed: 2));
        Sign(image.Digest);
        await using var first = await StartAsync(0, TaggedSignatureTests.SignedBy(_key));
        await using var second = await StartAsync(1, TaggedSignatureTests.SignedBy(_key), "other");
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(second, "GET", $"other/{Name}/blobs/{image.Layers[1]}"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/v1"));

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(second, "HEAD", $"other/{Name}/blobs/{image.Config}"));
        Assert.Equal(HttpStatusCode.PartialContent, await StatusAsync(second, "GET", $"other/{Name}/blobs/{image.Layers[0]}", "bytes=1-9"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(second, "GET", $"other/{Name}/blobs/{image.Layers[0]}"));
        // It asked the upstream for the manifest itself.
        Assert.Contains(_hub.Requests, each => each is { Method: "HEAD" } && each.IsManifest(image.Digest));
        // This repository does not have the blob of another one.
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(second, "GET", $"other/team/else/blobs/{image.Config}"));
    }

    [Fact]
    public async Task Image_of_a_signed_index_that_another_replica_has_seen_is_served()
    {
        var images = Enumerable.Range(0, 2).Select(i => _hub.AddImage(Name, null, ScriptedUpstream.Bytes(1000, seed: 10 + i))).ToArray();
        var index = _hub.AddIndex(Name, "v1", images);
        Sign(index);
        await using var first = await StartAsync(0, TaggedSignatureTests.SignedBy(_key));
        await using var second = await StartAsync(1, TaggedSignatureTests.SignedBy(_key));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/v1"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/{images[1].Digest}"));

        // The blob of the second image before its manifest, and the manifest of the first image before the index.
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(second, "GET", $"corp/{Name}/blobs/{images[1].Config}"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(second, "GET", $"corp/{Name}/manifests/{images[0].Digest}"));
    }

    [Fact]
    public async Task Child_is_served_before_the_index_that_admits_it()
    {
        var image = _hub.AddImage(Name, null, ScriptedUpstream.Bytes(1000, seed: 20));
        Sign(_hub.AddIndex(Name, "v1", image));
        await using var first = await StartAsync(0, TaggedSignatureTests.SignedBy(_key));
        await using var second = await StartAsync(1, TaggedSignatureTests.SignedBy(_key, OnMissing.Quarantine));
        // It is held there, because no index admits it yet.
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(second, "GET", $"corp/{Name}/manifests/{image.Digest}"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/v1"));

        // A look in vain is remembered for a short time.
        await Patience.UntilAsync(
            async () => await StatusAsync(second, "GET", $"corp/{Name}/manifests/{image.Digest}") == HttpStatusCode.OK,
            () => "the held image is served once its index was seen elsewhere");
    }

    [Fact]
    public async Task Blob_of_a_manifest_that_is_refused_here_stays_unknown()
    {
        var image = _hub.AddImage(Name, "v1", ScriptedUpstream.Bytes(1000, seed: 30));
        await using var first = await StartAsync(0, new() { Default = Outcome.Allow });
        await using var denying = await StartAsync(1, TaggedSignatureTests.SignedBy(_key));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/v1"));

        using var answer = await denying.Client.GetAsync($"/v2/corp/{Name}/blobs/{image.Config}");

        Assert.Equal(
            (HttpStatusCode.NotFound, "BLOB_UNKNOWN"), (answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(denying, "GET", $"corp/{Name}/manifests/{image.Digest}"));
    }

    [Fact]
    public async Task Client_with_its_own_credentials_gets_only_what_the_upstream_gives_to_it()
    {
        var image = _hub.AddImage(Name, "v1", ScriptedUpstream.Bytes(1000, seed: 35));
        Sign(image.Digest);
        _hub.RequireBasic("alice", "a");
        _hub.RequireBasic("bob", "b", name => name != Name);
        await using var first = await StartAsync(0, TaggedSignatureTests.SignedBy(_key), auth: UpstreamAuth.Passthrough);
        await using var second = await StartAsync(1, TaggedSignatureTests.SignedBy(_key), auth: UpstreamAuth.Passthrough);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/v1", who: "alice:a"));

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(second, "GET", $"corp/{Name}/blobs/{image.Config}", who: "alice:a"));
        foreach (var at in (GatewayRig[])[first, second])
            Assert.NotEqual(HttpStatusCode.OK, await StatusAsync(at, "GET", $"corp/{Name}/blobs/{image.Config}", who: "bob:b"));
    }

    [Fact]
    public async Task Replica_names_the_latest_manifest_first_and_an_index_before_what_it_names()
    {
        var layer = ScriptedUpstream.Bytes(1000, seed: 40);
        var images = Enumerable.Range(0, 20)
            .Select(i => _hub.AddImage(Name, $"v{i}", layer, ScriptedUpstream.Bytes(10, seed: 41 + i))).ToArray();
        var index = _hub.AddIndex(Name, "all", images[^1]);
        await using var first = await StartAsync(0, new() { Default = Outcome.Allow });
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/all"));
        foreach (var image in images)
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(first, "GET", $"corp/{Name}/manifests/{image.Digest}"));
        var named = first.Services.GetRequiredService<NamedManifests>();

        Assert.Equal([index, images[^1].Digest], (await NamedAsync(images[0].Layers[0])).Take(2));
        Assert.Equal(NamedManifests.Most, (await NamedAsync(images[0].Layers[0])).Length);
        Assert.Equal([images[3].Digest], await NamedAsync(images[3].Layers[1]));
        Assert.Equal([index], await NamedAsync(images[^1].Digest));
        Assert.Empty(await NamedAsync(index));
        Assert.Empty(await named.FindAsync("https://elsewhere.example/", RepositoryName.Parse(Name), Digest.Parse(index), default));

        async Task<string[]> NamedAsync(string content) =>
        [
            .. (await named.FindAsync(_hub.Url.AbsoluteUri, RepositoryName.Parse(Name), Digest.Parse(content), default))
                .Select(digest => digest.ToString()),
        ];
    }

    [Fact]
    public async Task Only_a_signed_request_learns_what_a_replica_names_and_an_older_replica_names_nothing()
    {
        await using var first = await StartAsync(0, new() { Default = Outcome.Allow });
        await using var second = await StartAsync(1, new() { Default = Outcome.Allow });
        var (peers, content) = (first.Services.GetRequiredService<PeerClient>(), Digest.Of("x"u8));
        var target = PeerPaths.Naming(content, _hub.Url, RepositoryName.Parse(Name));
        using var http = new HttpClient();
        using var unsigned = await http.GetAsync(new Uri(_addresses[1], target));

        Assert.Equal(HttpStatusCode.Unauthorized, unsigned.StatusCode);
        var (named, failed) = await peers.NamingAsync(_addresses[1], target, default);
        Assert.True(named is [] && !failed);
        // A path that it does not know is what the older replica sees.
        (named, failed) = await peers.NamingAsync(_addresses[1], target.Replace("naming", "later"), default);
        Assert.True(named is [] && !failed);
        (_, failed) = await peers.NamingAsync(FreeAddress(), target, default);
        Assert.True(failed);
    }
}
