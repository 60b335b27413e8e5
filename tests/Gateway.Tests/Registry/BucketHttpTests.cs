using System.Security.Cryptography;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Testing;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>A gateway whose pushed content is in a bucket, as clients see it.</summary>
public sealed class BucketHttpTests : IAsyncLifetime
{
    private static readonly byte[] Large = RandomNumberGenerator.GetBytes(5 << 20);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-s3-keys-");
    private S3Server? _server;

    public async ValueTask InitializeAsync()
    {
        _server = await S3Server.StartMotoAsync();
        Assert.SkipWhen(_server is null, "GATEWAY_RIG names no folder with moto");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private async Task<GatewayRig> StartAsync(string bucket, bool redirects = false, bool mayPush = true)
    {
        var (access, secret) = (Path.Combine(_folder.FullName, "access"), Path.Combine(_folder.FullName, "secret"));
        await File.WriteAllTextAsync(access, S3Server.AccessKey);
        await File.WriteAllTextAsync(secret, S3Server.SecretKey);
        return await GatewayRig.StartAsync(options => options with
        {
            Access = mayPush ? options.Access : new() { Rules = [new(["anonymous"], ["**"], AccessActions.Pull)] },
            Storage = options.Storage with
            {
                S3 = new()
                {
                    Store = new(bucket) { Endpoint = _server!.Endpoint, AccessKeyFile = access, SecretKeyFile = secret },
                    RedirectsSigned = redirects,
                },
            },
        });
    }

    [Theory]
    [InlineData(null)]
    [InlineData("bytes=1000000-1000999")]
    public async Task Pull_of_a_large_blob_is_redirected_to_the_bucket_if_redirects_are_signed(string? range)
    {
        var bucket = await _server!.NewBucketAsync();
        await using var pushed = await StartAsync(bucket);
        await using var rig = await StartAsync(bucket, redirects: true, mayPush: false);
        var digest = await pushed.PushBlobAsync("team/app", Large);
        using var answer = await rig.SendAsync("GET", $"/v2/team/app/blobs/{digest}", null, range is null ? [] : [("Range", range)]);
        Assert.Equal((307, "no-store"), ((int)answer.StatusCode, answer.Headers.CacheControl?.ToString()));
        Assert.Equal(digest.ToString(), GatewayRig.Header(answer, "Docker-Content-Digest"));
        Assert.Equal("gateway; fwd=uri-miss; detail=bucket", GatewayRig.Header(answer, "Cache-Status"));

        using var follow = new HttpRequestMessage(HttpMethod.Get, answer.Headers.Location);
        follow.Headers.TryAddWithoutValidation("Range", range);
        using var bytes = await rig.Client.SendAsync(follow);
        var read = await bytes.Content.ReadAsByteArrayAsync();
        Assert.Equal(range is null ? Large : Large[1_000_000..1_001_000], read);
    }

    [Fact]
    public async Task Cache_Status_says_that_a_blob_came_from_the_bucket_until_the_disk_has_a_copy()
    {
        var bucket = await _server!.NewBucketAsync();
        await using var pushed = await StartAsync(bucket);
        await using var rig = await StartAsync(bucket);
        var target = $"/v2/team/app/blobs/{await pushed.PushBlobAsync("team/app", Large)}";
        Assert.Equal("gateway; fwd=uri-miss; detail=bucket", await StatusAsync("HEAD"));
        Assert.Equal("gateway; fwd=uri-miss; stored; detail=bucket", await StatusAsync("GET"));
        await Patience.UntilAsync(async () => await StatusAsync("GET") == "gateway; hit", () => "the copy is served");

        async Task<string?> StatusAsync(string method)
        {
            using var answer = await rig.SendAsync(method, target);
            await answer.Content.ReadAsByteArrayAsync();
            return GatewayRig.Header(answer, "Cache-Status");
        }
    }

    [Fact]
    public async Task Callers_that_may_push_and_requests_for_headers_are_not_redirected()
    {
        await using var rig = await StartAsync(await _server!.NewBucketAsync(), redirects: true);
        var digest = await rig.PushBlobAsync("team/app", Large);
        Assert.Equal(Large, await rig.Client.GetByteArrayAsync($"/v2/team/app/blobs/{digest}"));
        using var answer = await rig.SendAsync("HEAD", $"/v2/team/app/blobs/{digest}");
        Assert.Equal((200, Large.Length), ((int)answer.StatusCode, (int)answer.Content.Headers.ContentLength!));
    }

    [Fact]
    public async Task Upload_begun_at_one_gateway_is_continued_at_a_second_one_and_closed_at_a_third_one()
    {
        var bucket = await _server!.NewBucketAsync();
        await using var a = await StartAsync(bucket);
        await using var b = await StartAsync(bucket);
        await using var c = await StartAsync(bucket);
        var digest = Digest.Of(Large);

        using var begun = await a.SendAsync("POST", "/v2/team/app/blobs/uploads/");
        var session = begun.Headers.Location!.ToString();
        using var continued = await b.SendAsync("PATCH", Path(session), new ByteArrayContent(Large));
        Assert.Equal((202, $"0-{Large.Length - 1}"), ((int)continued.StatusCode, GatewayRig.Header(continued, "Range")));
        var next = Path(continued.Headers.Location!.ToString());
        using var closed = await c.SendAsync("PUT", $"{next}{(next.Contains('?') ? '&' : '?')}digest={digest}");
        Assert.Equal(201, (int)closed.StatusCode);
        foreach (var rig in (GatewayRig[])[a, b, c])
            Assert.Equal(Large, await rig.Client.GetByteArrayAsync($"/v2/team/app/blobs/{digest}"));

        static string Path(string location) => location.StartsWith('/') ? location : new Uri(location).PathAndQuery;
    }
}
