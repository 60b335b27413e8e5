using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// The console of one of three gateways on a bucket. Clients push to all of them in turn, so that most of what it shows came by another.
/// </summary>
public sealed class BucketConsoleTests(BucketConsoleFixture fixture) : IClassFixture<BucketConsoleFixture>
{
    // Pages that a bucket makes different, and one of each gateway alone.
    private static readonly (string Page, string[] Expected)[] Own =
    [
        ("/trash", ["stays here for a while"]),
        ("/upkeep", ["Run a collection", "None is known."]),
        ("/activity", ["Fetches under way"]),
        ("/replicas", ["Bucket", "answers"]),
        ("/repositories?sort=own", ["charts/web", "multi/app"]),
        ("/repositories?sort=size", ["charts/web", "multi/app"]),
        ("/", ["Saved from upstreams", "hub.test", "Held pushes"]),
        ("/configuration", ["storage.s3.bucket", "storage.s3.secretKeyFile"]),
    ];

    // What only the gateway that answered a request knows.
    private static readonly string[] OfOneGateway = ["hub.test", "sif/hello"];

    [Fact]
    public async Task Pages_show_what_reached_other_gateways()
    {
        await using var browser = await Browser.StartAsync("console.test");
        var own = Own.Select(static each => each.Page.Split('?')[0]).ToHashSet();
        var rest = ConsoleTests.Pages.Select(static row => row.Data)
            .Where(each => !own.Contains(each.Item1.Split('?')[0]) && !OfOneGateway.Any(each.Item1.Contains));

        await ConsoleTests.WalkAsync(browser, fixture, [.. Own, .. rest], [(1440, false)]);
    }

    [Fact]
    public async Task Repository_has_the_size_of_its_content_at_every_gateway()
    {
        using var http = new HttpClient();
        foreach (var gateway in fixture.Set.Gateways)
        {
            foreach (var sort in (string[])["size", "own"])
            {
                await Eventually.TrueAsync(
                    async () =>
                    {
                        var page = new Uri(gateway.Operator, $"/api/v1/pages/repositories?sort={sort}&search=multi");
                        return BytesIn(await http.GetStringAsync(page), sort) > 50_000;
                    },
                    () => $"{sort} of multi/app at {gateway.Host}\n{fixture.Set.Log}");
            }
        }
    }

    private static long BytesIn(string page, string sort)
    {
        var row = JsonNode.Parse(page)!["items"]!.AsArray().SingleOrDefault(each => (string)each!["name"]! == "multi/app");
        return (sort == "own" ? row?["ownBytes"] : row?["summary"]?["bytes"])?.GetValue<long>() ?? 0;
    }
}

/// <summary>The content of <see cref="ConsoleFixture"/>, pushed to three gateways on a bucket in turn.</summary>
public sealed class BucketConsoleFixture(SharedBucketSet shared) : ConsoleFixture
{
    internal BucketSet Set => (BucketSet)Registry;

    internal override GatewayProcess Gateway => Set.Gateways[0];

    // One audit log cannot be written by three processes.
    private protected override async Task<IRegistry> OpenAsync(string yaml) => await BucketSet.StartAsync(
        yaml.Replace("audit:", "# ", StringComparison.Ordinal), ready: "/token", shared: (await shared.Started).Store);
}
