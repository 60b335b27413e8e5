using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Reading <c>Link</c> (RFC 8288).</summary>
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
    public void Target_of_next_is_found(string header, string? expected) => Assert.Equal(expected, LinkHeader.Next(header));
}
