using Gateway.Configuration;
using Gateway.Registry;
using Xunit;
using static Gateway.Configuration.AccessActions;

namespace Gateway.Tests.Registry;

public sealed class RouteTableTests
{
    private static readonly string[] Methods =
        ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "head", "PROPFIND"];

    // Written out once more, so that a slip in the table shows: what each method of each route needs.
    private static readonly Dictionary<(Route, string), AccessActions> Expected = new()
    {
        [(Route.Ping, "GET")] = None, [(Route.Ping, "HEAD")] = None,
        [(Route.Token, "GET")] = None, [(Route.Token, "HEAD")] = None, [(Route.Token, "POST")] = None,
        [(Route.Decision, "GET")] = None, [(Route.Decision, "HEAD")] = None,
        [(Route.Promote, "POST")] = None,
        [(Route.Evaluate, "POST")] = None,
        [(Route.Home, "GET")] = None, [(Route.Home, "HEAD")] = None,
        [(Route.Catalog, "GET")] = None, [(Route.Catalog, "HEAD")] = None,
        [(Route.Tags, "GET")] = Pull, [(Route.Tags, "HEAD")] = Pull,
        [(Route.Referrers, "GET")] = Pull, [(Route.Referrers, "HEAD")] = Pull,
        [(Route.Manifest, "GET")] = Pull, [(Route.Manifest, "HEAD")] = Pull, [(Route.Manifest, "PUT")] = Push,
        [(Route.Manifest, "DELETE")] = Delete,
        [(Route.Blob, "GET")] = Pull, [(Route.Blob, "HEAD")] = Pull, [(Route.Blob, "DELETE")] = Delete,
        [(Route.Uploads, "POST")] = Push,
        [(Route.Upload, "GET")] = Push, [(Route.Upload, "HEAD")] = Push, [(Route.Upload, "PATCH")] = Push,
        [(Route.Upload, "PUT")] = Push, [(Route.Upload, "DELETE")] = Push,
    };

    [Fact]
    public void Every_method_of_every_route_is_either_expected_or_refused()
    {
        foreach (var route in Enum.GetValues<Route>())
        {
            foreach (var method in Methods)
            {
                AccessActions? expected = Expected.TryGetValue((route, method), out var needs) ? needs : null;
                Assert.Equal((route, method, expected), (route, method, RouteTable.Find(route, method)?.Needs));
            }
        }
    }

    [Fact]
    public void Allow_header_names_the_supported_methods() => Assert.Equal("DELETE, GET, HEAD, PUT", RouteTable.Allow(Route.Manifest));

    [Theory]
    [InlineData("/v2/", "POST")]
    [InlineData("/v2/_catalog", "DELETE")]
    [InlineData("/v2/a/tags/list", "PUT")]
    [InlineData("/v2/a/manifests/latest", "POST")]
    [InlineData("/v2/a/blobs/uploads/", "GET")]
    [InlineData("/v2/a/blobs/uploads/0123", "POST")]
    public async Task Unsupported_method_returns_405_with_the_allowed_methods(string path, string method)
    {
        await using var rig = await GatewayRig.StartAsync();
        using var answer = await rig.SendAsync(method, path);

        Assert.Equal((405, "UNSUPPORTED"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        Assert.NotNull(GatewayRig.Header(answer, "Allow"));
    }
}
