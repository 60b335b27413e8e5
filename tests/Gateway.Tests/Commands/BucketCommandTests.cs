using Gateway.Commands;
using Xunit;

[assembly: AssemblyFixture(typeof(S3Servers))]

namespace Gateway.Tests.Commands;

/// <summary><c>gateway verify</c> and <c>gateway doctor</c> with a bucket, which they write for real.</summary>
public sealed class BucketCommandTests(S3Servers servers) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-commands-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Bucket_that_can_be_shared_passes()
    {
        var server = await servers.MotoAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with moto");
        var file = Write(server!.Endpoint, await server.NewBucketAsync());

        var (code, output, error) = await RunAsync("verify", file);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains($"at http://127.0.0.1:{server.Endpoint.Port} for what clients push", output);
        Assert.Contains(
            $"at http://127.0.0.1:{server.Endpoint.Port}: objects were written under conditions, read, listed and removed in ", output);
        Assert.Single(output.Split('\n'), line => line.StartsWith("bucket ", StringComparison.Ordinal));
        (_, output, _) = await RunAsync("doctor", file);
        Assert.Contains("objects were written under conditions, read, listed and removed in ", output);
    }

    [Fact]
    public async Task Bucket_that_does_not_exist_is_named_with_the_fix()
    {
        var server = await servers.MotoAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with moto");

        var (code, _, error) = await RunAsync("verify", Write(server!.Endpoint, "no-such-bucket"));
        Assert.Equal(0, code);
        Assert.StartsWith($"warning: storage.s3: no-such-bucket at http://127.0.0.1:{server.Endpoint.Port}: put gateway/probe/", error);
        Assert.EndsWith(
            "expected success, got 404 NoSuchBucket; create the bucket, or correct storage.s3.bucket; until then pushes are refused\n",
            error);
    }

    [Fact]
    public async Task Store_that_does_not_answer_is_named_and_no_key_is_printed()
    {
        var file = Write(new("http://127.0.0.1:1"), "images");

        var (code, output, error) = await RunAsync("verify", file);
        Assert.Equal(0, code);
        Assert.Contains(
            "got Connection refused; check that the store runs and that storage.s3.endpoint is its address; until then pushes are refused",
            error);
        var (_, found, _) = await RunAsync("doctor", file);
        Assert.Contains("BUCKET_UNREACHABLE     images at http://127.0.0.1:1: put gateway/probe/", found);
        Assert.DoesNotContain(S3Server.SecretKey, output + error + found);
        Assert.DoesNotContain(S3Server.AccessKey, output + error + found);
    }

    private string Write(Uri endpoint, string bucket)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "access"), S3Server.AccessKey);
        File.WriteAllText(Path.Combine(_folder.FullName, "secret"), S3Server.SecretKey);
        var file = Path.Combine(_folder.FullName, "gateway.yaml");
        File.WriteAllText(
            file,
            $$"""
            operator: http://127.0.0.1:1
            listen: http://127.0.0.1:2
            storage:
              s3:
                bucket: {{bucket}}
                endpoint: {{endpoint.GetLeftPart(UriPartial.Authority)}}
                accessKeyFile: access
                secretKeyFile: secret
            """);
        return file;
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string command, string file)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync([command, "--config", file], output, error);
        return (code, output.ToString(), error.ToString());
    }
}
