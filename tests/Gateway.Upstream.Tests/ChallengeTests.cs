using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Tests of the reader of <c>WWW-Authenticate</c> headers.</summary>
public sealed class ChallengeTests
{
    private static string Show(params string[] headers) => string.Join(" | ", Challenge.Parse(headers).Select(Show));

    private static string Show(Challenge challenge) => string.Join(' ', challenge.Parameters.OrderBy(p => p.Key, StringComparer.Ordinal)
        .Select(p => $"{p.Key}={p.Value}").Prepend(challenge.Scheme));

    [Theory]
    [InlineData("Bearer realm=\"https://a/token\",service=\"a\"", "bearer realm=https://a/token service=a")]
    [InlineData("BEARER Realm=x , SCOPE=\"a:pull,push b:pull\"", "bearer realm=x scope=a:pull,push b:pull")]
    [InlineData("Basic realm=\"a \\\"quoted\\\" one\"", "basic realm=a \"quoted\" one")]
    [InlineData("New realm=\"a\", type=1, title=\"to \\\"a\\\"\", Basic realm=\"b\"", "new realm=a title=to \"a\" type=1 | basic realm=b")]
    [InlineData("Negotiate, Basic realm=b", "negotiate | basic realm=b")]
    [InlineData("Bearer realm = \"a\" , service = b", "bearer realm=a service=b")]
    [InlineData(",, ,Basic realm=\"a\",,", "basic realm=a")]
    [InlineData("Bearer realm=\"never closed", "bearer realm=never closed")]
    [InlineData("Negotiate abc==", "negotiate")]
    [InlineData("\"\"", "")]
    [InlineData("", "")]
    public void Challenge_is_read_with_its_parameters(string header, string expected) => Assert.Equal(expected, Show(header));

    [Fact]
    public void Challenge_after_a_token68_is_read() =>
        Assert.Equal("negotiate | basic realm=b", Show("Negotiate abc==, Basic realm=b"));

    [Fact]
    public void Challenges_of_several_headers_are_read_in_order() =>
        Assert.Equal("basic realm=a | bearer realm=b", Show("Basic realm=a", "Bearer realm=b"));

    [Fact]
    public void At_most_16_challenges_are_read() =>
        Assert.Equal(16, Challenge.Parse([string.Join(", ", Enumerable.Repeat("Basic realm=a", 10_000))]).Count);
}
