using Gateway.Commands;
using Gateway.Commands.Doctor;
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
    public async Task Doctor_finds_what_another_program_stored_and_what_an_adoption_skipped()
    {
        var server = await servers.MotoAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with moto");
        var bucket = await server!.NewBucketAsync();
        var file = Write(server.Endpoint, bucket);
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Storage = options.Storage with
            {
                S3 = new()
                {
                    Store = new(bucket)
                    {
                        Endpoint = server.Endpoint, AccessKeyFile = Path.Combine(_folder.FullName, "access"),
                        SecretKeyFile = Path.Combine(_folder.FullName, "secret"),
                    },
                },
            },
        });
        var digest = await rig.PushManifestAsync("team/app", "v1");
        var (_, output, _) = await RunAsync("doctor", file);
        Assert.Contains("the links of 1 of 1 repositories are those that gateways stored", output);

        // moto takes requests without a signature.
        using var http = new HttpClient { BaseAddress = server.Endpoint };
        await PutAsync("docker/registry/v2/repositories/team/app/_manifests/tags/theirs/current/link", $"{digest}");
        await PutAsync("docker/registry/v2/repositories/new/app/_manifests/tags/theirs/current/link", $"{digest}");
        await PutAsync("gateway/adopted", "1");
        await PutAsync("gateway/heads/a/_head", "no head");
        await PutAsync("gateway/skipped/team/old/_skipped", "1 objects");
        (_, output, _) = await RunAsync("doctor", file);
        Assert.Contains($"BUCKET_FOREIGN         {bucket} at ", output);
        Assert.Contains("another program stored 1 tags and manifests that no gateway has, such as team/app:theirs; fix: ", output);
        Assert.Contains("another program stored 1 repositories that no catalog has, such as new/app; fix: ", output);
        Assert.Contains("503: the log of a in the bucket is damaged (gateway/heads/a/_head: expected an object of a log, ", output);
        Assert.Contains($"BUCKET_SKIPPED         {bucket} at ", output);
        Assert.Contains("they are listed in gateway/skipped/team/old/_skipped; fix: ", output);

        async Task PutAsync(string key, string text)
        {
            using var content = new StringContent(text);
            using var answer = await http.PutAsync($"/{bucket}/{key}", content);
            Assert.True(answer.IsSuccessStatusCode, $"{key} {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }
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


    [Theory]
    [InlineData("http://127.0.0.1:9000", null, "which each client takes for itself")]
    [InlineData("http://localhost:9000", null, "which each client takes for itself")]
    [InlineData("http://minio:9000", null, "a name without a domain, which only machines near the store resolve")]
    [InlineData("http://minio.storage.svc:9000", null, "which only pods of its cluster resolve, and nodes do not")]
    [InlineData("https://minio.storage.svc.cluster.local", null, "which only pods of its cluster resolve, and nodes do not")]
    [InlineData("https://registry.example:9000", "https://registry.example", "which is also the gateways' name: clients send their token ")]
    [InlineData("https://s3.example", "https://registry.example", null)]
    [InlineData("https://10.0.0.7:9000", null, null)]
    [InlineData("https://svc.example", null, null)]
    public void Address_of_a_store_that_clients_cannot_use_is_found(string endpoint, string? gateways, string? why)
    {
        var found = BucketChecks.WhyNotForClients(new(endpoint), gateways is null ? null : new(gateways));
        if (why is null) Assert.Null(found);
        else Assert.StartsWith(why, found);
    }

    [Theory]
    [InlineData("signed", true)]
    [InlineData("off", false)]
    public async Task Redirect_to_an_address_that_clients_cannot_use_is_named_where_clients_are_redirected(string redirect, bool isFound)
    {
        var file = Write(new("http://127.0.0.1:1"), "images");
        File.WriteAllText(Path.Combine(_folder.FullName, "key"), new string('k', 64));
        await File.AppendAllTextAsync(
            file,
            $$"""

                redirect: {{redirect}}
            access: { tokenKeyFile: key, rules: [ { actors: [anonymous], repositories: ["**"], actions: [pull] } ] }
            """);

        var (_, _, error) = await RunAsync("verify", file);

        Assert.Equal(isFound, error.Contains(
            "warning: storage.s3: images at http://127.0.0.1:1: storage.s3.redirect sends clients to 127.0.0.1 for large blobs, which ",
            StringComparison.Ordinal));
    }
}
