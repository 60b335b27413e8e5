using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

[assembly: AssemblyFixture(typeof(S3Servers))]

namespace Gateway.Storage.Tests;

/// <summary>A bucket in Ceph, which checks signatures and conditions.</summary>
public sealed class CephBucketTests(S3Servers servers) : S3BucketSuite
{
    private protected override Task<S3Server?> ServerAsync() => servers.CephAsync();
}

/// <summary>A bucket in moto, which is another program with the same protocol.</summary>
public sealed class MotoBucketTests(S3Servers servers) : S3BucketSuite
{
    private protected override Task<S3Server?> ServerAsync() => servers.MotoAsync();
}

/// <summary>A bucket in a server of the rig.</summary>
public abstract class S3BucketSuite : BucketSuite
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-s3-keys-");
    private S3Bucket? _bucket;

    private protected override IBucket Bucket => _bucket!;

    private protected abstract Task<S3Server?> ServerAsync();

    public override async ValueTask InitializeAsync()
    {
        var server = await ServerAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with this S3 server");
        _bucket = S3Bucket.Open(server!.OptionsFor(await server.NewBucketAsync(), _folder), TimeProvider.System, NullLogger.Instance);
    }

    public override ValueTask DisposeAsync()
    {
        _bucket?.Dispose();
        _folder.Delete(recursive: true);
        GC.SuppressFinalize(this);
        return base.DisposeAsync();
    }

    [Fact]
    public async Task Client_without_credentials_reads_a_signed_address()
    {
        await Bucket.PutAsync("a/b", "signed"u8.ToArray(), PutCondition.None, default);
        var url = (await Bucket.SignAsync("a/b", TimeSpan.FromMinutes(5), "application/vnd.test", default))!;
        using var client = new HttpClient();
        using var answer = await client.GetAsync(url);
        Assert.Equal("signed", await answer.Content.ReadAsStringAsync());
        Assert.Equal("application/vnd.test", answer.Content.Headers.ContentType!.ToString());
    }
}

internal static class S3Of
{
    /// <summary>How to reach a bucket of a server, with keys in files of this folder.</summary>
    public static S3Options OptionsFor(this S3Server server, string bucket, DirectoryInfo folder)
    {
        var (access, secret) = (Path.Combine(folder.FullName, "access"), Path.Combine(folder.FullName, "secret"));
        File.WriteAllText(access, S3Server.AccessKey);
        File.WriteAllText(secret, S3Server.SecretKey + "\n");
        return new(bucket) { Endpoint = server.Endpoint, PathStyle = true, AccessKeyFile = access, SecretKeyFile = secret };
    }
}
