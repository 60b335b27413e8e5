using System.Net;
using System.Security.Cryptography;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A disk that is slow to read one blob, made by strace: each call that reads its file begins half a second later.</summary>
public sealed class SlowDiskTests
{
    private const int Size = 2 << 20;
    private const int Others = 20;

    [Fact]
    public async Task Blob_on_a_slow_disk_is_whole_and_holds_no_other_request()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var client = new RawClient(gateway.Host);
        var bytes = RandomNumberGenerator.GetBytes(Size);
        var manifest = await client.ImageAsync("team/app", "1", bytes);
        var digest = Described.Sha256(bytes);
        var path = Path.Combine(gateway.Storage, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data");
        await using var disk = await FailingKernel.AttachSlowAsync(
            gateway.Server.Id, "sendfile,pread64,read", TimeSpan.FromSeconds(0.5), path);

        // More than one, so that each thread that answers could be one of theirs.
        var slow = Enumerable.Range(0, 2).Select(_ => ReadAsync(client, $"blobs/{digest}")).ToArray();
        await Eventually.TrueAsync(() => Task.FromResult(disk.Delayed > 0), () => $"no read of {path} was delayed\n{gateway.Log}");
        await Task.WhenAll(Enumerable.Range(0, Others).Select(async _ => Assert.Equal(manifest, await ReadAsync(client, "manifests/1"))));

        Assert.DoesNotContain(slow, each => each.IsCompleted);
        foreach (var each in slow) Assert.Equal(digest, Described.Sha256(await each));
    }

    private static async Task<byte[]> ReadAsync(RawClient client, string path)
    {
        using var answer = await client.GetAsync($"/v2/team/app/{path}", ("Accept", OciLayout.ImageManifest));
        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        return await answer.Content.ReadAsByteArrayAsync();
    }
}
