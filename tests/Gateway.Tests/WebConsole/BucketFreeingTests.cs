using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>What the pages say about the space of content in a bucket.</summary>
public sealed partial class BucketFreeingTests(S3Servers servers) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-freeing-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(true, "byCollection", "They cannot be restored after that", "No space is freed")]
    [InlineData(false, "never", "No space is freed", "They cannot be restored after that")]
    public async Task Deletion_says_whether_a_collection_frees_the_space_in_the_bucket(
        bool collects, string freed, string expected, string unexpected)
    {
        await using var rig = await StartAsync(collects);
        await rig.PushManifestAsync("team/app", "v1");

        var plan = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/api/v1/pages/deletion?repository=team/app&tag=v1"));
        var page = await ConfirmationAsync(rig);

        Assert.Equal(freed, (string?)JsonNode.Parse(plan)!["freed"]);
        Assert.Contains(expected, page, StringComparison.Ordinal);
        Assert.DoesNotContain(unexpected, page, StringComparison.Ordinal);
        Assert.DoesNotContain("empty", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trash_says_that_emptying_it_frees_nothing_in_the_bucket()
    {
        await using var rig = await StartAsync(collects: true);
        await rig.PushManifestAsync("team/app", "v1");
        (await rig.SendAsync("DELETE", "/v2/team/app/manifests/v1")).Dispose();

        var page = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/trash"));

        Assert.Contains("What a collection removed from the bucket cannot be restored", page, StringComparison.Ordinal);
        Assert.Contains("nothing in the bucket", page, StringComparison.Ordinal);
    }

    private static async Task<string> ConfirmationAsync(GatewayRig rig)
    {
        var tags = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/tags?repository=team/app"));
        var fields = new Dictionary<string, string>
        {
            ["repository"] = "team/app", ["tag"] = "v1", ["csrf"] = Csrf().Match(tags).Groups[1].Value,
        };
        using var answer = await rig.Client.PostAsync(new Uri(rig.Operator, "/delete"), new FormUrlEncodedContent(fields));
        return await answer.Content.ReadAsStringAsync();
    }

    private async Task<GatewayRig> StartAsync(bool collects)
    {
        var server = await servers.MotoAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with moto");
        var (access, secret) = (Path.Combine(_folder.FullName, "access"), Path.Combine(_folder.FullName, "secret"));
        await File.WriteAllTextAsync(access, S3Server.AccessKey);
        await File.WriteAllTextAsync(secret, S3Server.SecretKey);
        var bucket = await server!.NewBucketAsync();
        return await GatewayRig.StartAsync(options => options with
        {
            Storage = options.Storage with
            {
                S3 = new()
                {
                    Store = new(bucket) { Endpoint = server.Endpoint, AccessKeyFile = access, SecretKeyFile = secret },
                    Collects = collects,
                },
            },
        });
    }

    [GeneratedRegex(@"name=""csrf"" value=""(\w+)""")]
    private static partial Regex Csrf();
}
