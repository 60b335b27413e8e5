using System.Collections.Concurrent;
using Gateway.Replicas;
using Gateway.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>Gateways that share a bucket and know each other as replicas.</summary>
public sealed class ChangeNewsTests(S3Servers servers) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-news-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string Write(string name, string text)
    {
        var file = Path.Combine(_folder.FullName, name);
        File.WriteAllText(file, text);
        return file;
    }

    private Task<GatewayRig> StartAsync(Uri self, Uri other, Uri? endpoint, string bucket) => GatewayRig.StartAsync(options => options with
    {
        Storage = endpoint is null ? options.Storage : options.Storage with
        {
            S3 = new()
            {
                Store = new(bucket)
                {
                    Endpoint = endpoint, AccessKeyFile = Write("access", S3Server.AccessKey),
                    SecretKeyFile = Write("secret", S3Server.SecretKey),
                },
            },
        },
        Replicas = new()
        {
            Peers = [other], Listen = self, SecretFile = Write("shared", "a-secret-of-all-replicas"), Timeout = Patience.Of(5),
        },
    });

    private static Uri FreeAddress() => new($"http://127.0.0.1:{FreePorts.Next()}");

    [Fact]
    public async Task Push_is_told_to_other_replicas_that_use_the_bucket()
    {
        var server = await servers.MotoAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with moto");
        var (first, second, bucket) = (FreeAddress(), FreeAddress(), await server!.NewBucketAsync());
        await using var here = await StartAsync(first, second, server.Endpoint, bucket);
        await using var there = await StartAsync(second, first, server.Endpoint, bucket);
        var (changes, heard) = (there.Services.GetRequiredService<ChangeNews>(), new ConcurrentBag<string>());
        var hear = changes.Hear;
        Assert.NotNull(hear);
        changes.Hear = name =>
        {
            heard.Add(name);
            hear(name);
        };
        await here.PushManifestAsync("team/app", "v1");
        await Patience.UntilAsync(() => Task.FromResult(heard.Contains("team/app")), () => "the push is told");

        using var http = new HttpClient();
        using var unsigned = await http.PostAsync(new Uri(second, "/peer/v1/changed?name=forged"), null);
        Assert.Equal(401, (int)unsigned.StatusCode);
        Assert.DoesNotContain("forged", heard);
    }

    [Fact]
    public async Task Replica_without_a_bucket_answers_that_it_knows_no_such_notice()
    {
        var (first, second) = (FreeAddress(), FreeAddress());
        await using var here = await StartAsync(first, second, null, "");
        await using var there = await StartAsync(second, first, null, "");
        var peers = here.Services.GetRequiredService<PeerClient>();
        var told = await peers.TellAsync(second, $"{PeerPaths.ChangedPath}?name=a", Patience.Of(5), default);
        Assert.Equal(new("expected 200, got 404", IsAnswered: true), told);
    }
}
