using Gateway.Registry;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class CacheStatusTests
{
    [Fact]
    public void Response_of_the_gateway_itself_has_no_hit_or_forward() => Assert.Equal("gateway", CacheStatus.Of(CacheHandling.Local, 200));

    [Fact]
    public void Hit_is_written_as_hit() => Assert.Equal("gateway; hit", CacheStatus.Of(CacheHandling.Hit, 200));

    [Theory]
    [InlineData(200, "gateway; fwd=uri-miss; stored")]
    [InlineData(206, "gateway; fwd=uri-miss; stored; fwd-status=200")]
    public void A_miss_says_the_upstreams_status_only_where_it_differs(int status, string expected) =>
        Assert.Equal(expected, CacheStatus.Of(new() { Forward = ForwardReason.Absent, UpstreamStatus = 200, Stored = true }, status));

    [Fact]
    public void Stale_content_says_so() =>
        Assert.Equal("gateway; hit; fwd=stale", CacheStatus.Of(new() { IsHit = true, Forward = ForwardReason.Stale }, 200));

    [Fact]
    public void Revalidated_content_is_neither_stale_nor_a_plain_hit()
    {
        var confirmed = new CacheHandling { IsHit = true, Forward = ForwardReason.Stale, UpstreamStatus = 200 };

        Assert.Equal(("gateway; fwd=stale", "revalidated"), (CacheStatus.Of(confirmed, 200), CacheStatus.ResultOf(confirmed)));
        Assert.Equal("stale", CacheStatus.ResultOf(confirmed with { Notice = "not what the upstream has" }));
        Assert.Equal("stale", CacheStatus.ResultOf(confirmed with { UpstreamStatus = 503 }));
    }

    [Fact]
    public void Blob_of_the_bucket_is_a_miss_with_its_source()
    {
        var copied = new CacheHandling { Forward = ForwardReason.Absent, Stored = true, Detail = CacheDetail.Bucket };

        Assert.Equal(("gateway; fwd=uri-miss; stored; detail=bucket", "miss"), (CacheStatus.Of(copied, 200), CacheStatus.ResultOf(copied)));
    }

    [Fact]
    public void Reader_that_joins_a_fetch_is_collapsed() =>
        Assert.Equal(
            "gateway; fwd=uri-miss; collapsed; detail=unverified",
            CacheStatus.Of(new() { Forward = ForwardReason.Absent, Collapsed = true, Detail = CacheDetail.Unverified }, 206));
}
