using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Tests of the reader of <c>Link</c> headers (RFC 8288).</summary>
public sealed class LinkHeaderTests
{
    [Theory]
    [InlineData("</v2/x/tags/list?n=2&last=b>; rel=\"next\"", "/v2/x/tags/list?n=2&last=b")]
    [InlineData("<?last=b>;rel=next", "?last=b")]
    [InlineData("</a?first>; rel=\"first\", </b?second>; rel=\"next\"", "/b?second")]
    [InlineData("</a?self>; rel=self; title=\"a, b; rel=next\", </b>; REL = \"NEXT\"", "/b")]
    [InlineData("</a>; title=\"x\\\"; rel=next\"; rel=prev, </b>; rel=\"last next\"", "/b")]
    [InlineData("</a>; rel=\"prev\"; rel=\"next\"", null)]
    [InlineData("</a,b;c>; anchor; rel=next", "/a,b;c")]
    [InlineData(", ,</a>; rel=next,", "/a")]
    [InlineData("</a>; rel=\"nextish\"", null)]
    [InlineData("</a>", null)]
    [InlineData("</a; rel=next", null)]
    [InlineData("/a; rel=next", null)]
    [InlineData("</a>; rel=\"next", "/a")]
    [InlineData("", null)]
    public void Target_of_the_first_link_to_the_next_page_is_returned(string header, string? expected) =>
        Assert.Equal(expected, LinkHeader.Next(header));
}
