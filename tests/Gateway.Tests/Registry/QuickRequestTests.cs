using Gateway.Registry;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Which requests are answered on the thread that waits for sockets.</summary>
public sealed class QuickRequestTests
{
    [Theory]
    [InlineData("GET", "/v2/", true)]
    [InlineData("HEAD", "/v2/a/b/manifests/v1", true)]
    [InlineData("GET", "/v2/a/blobs/sha256:00", true)]
    [InlineData("PUT", "/v2/a/manifests/v1", false)]
    [InlineData("POST", "/v2/a/blobs/uploads/", false)]
    [InlineData("GET", "/v2/_catalog", false)]
    [InlineData("GET", "/v2/a/tags/list", false)]
    [InlineData("GET", "/v2/a/referrers/sha256:00", false)]
    [InlineData("GET", "/-/console/", false)]
    [InlineData("GET", "/-/console/v2/a/manifests/v1", false)]
    [InlineData("GET", "/token", false)]
    [InlineData("GET", "/", false)]
    public void Request_that_can_compute_for_long_leaves_the_thread_that_waits_for_sockets(string method, string path, bool isQuick)
    {
        var context = new DefaultHttpContext();
        (context.Request.Method, context.Request.Path) = (method, path);

        Assert.Equal(isQuick, FrontDoor.IsQuick(context.Request));
    }
}
