using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class WrittenReferenceTests
{
    private const string Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    [Theory]
    [InlineData("app:v1", "app", "v1")]
    [InlineData("prod/team/app:v1.2-rc_3", "prod/team/app", "v1.2-rc_3")]
    [InlineData("prod/app@" + Digest, "prod/app", Digest)]
    [InlineData("prod/app", "prod/app", null)]
    public void Reference_with_a_tag_a_digest_or_neither_is_parsed(string text, string name, string? what) =>
        Assert.Equal((name, what), (WrittenReference.Parse(text)?.Name.Value, WrittenReference.Parse(text)?.What?.ToString()));

    [Theory]
    [InlineData("")]
    [InlineData(":v1")]
    [InlineData("app:")]
    [InlineData("app@")]
    [InlineData("app@v1")]
    [InlineData("app:v1@" + Digest)]
    [InlineData("../app:v1")]
    [InlineData("App:v1")]
    [InlineData("host:5000/app:v1")]
    [InlineData("app:v1 ")]
    public void Text_that_is_not_a_reference_is_rejected(string text) => Assert.Null(WrittenReference.Parse(text));
}
