using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Gateway.Policy.Tests;

/// <summary>Patterns match whole names, character by character.</summary>
public sealed class GlobTests
{
    [Theory]
    [InlineData("**", "")]
    [InlineData("**", "a/b/c")]
    [InlineData("prod/**", "prod/a")]
    [InlineData("prod/**", "prod/a/b")]
    [InlineData("prod/*", "prod/a")]
    [InlineData("*/app", "team/app")]
    [InlineData("**/app", "app")]
    [InlineData("**/app", "a/b/app")]
    [InlineData("a/**/z", "a/z")]
    [InlineData("a/**/z", "a/b/c/z")]
    [InlineData("team-*/x*y", "team-1/x--y")]
    [InlineData("v*", "v1.2.3")]
    [InlineData("*-dev", "1.0-dev")]
    [InlineData("*", "latest")]
    [InlineData("a**b", "a/x/b")]
    [InlineData("stable", "stable")]
    public void Pattern_matches(string pattern, string text) => Assert.True(Glob.IsMatch(pattern, text));

    [Theory]
    [InlineData("prod/**", "prod")]
    [InlineData("prod/**", "prod2/a")]
    [InlineData("prod/**", "Prod/a")]
    [InlineData("prod/**", "xprod/a")]
    [InlineData("prod/*", "prod/a/b")]
    [InlineData("*", "a/b")]
    [InlineData("**/app", "myapp")]
    [InlineData("a/**/z", "a/bz")]
    [InlineData("v*", "xv1")]
    [InlineData("*-dev", "1.0-dev2")]
    [InlineData("", "a")]
    [InlineData("a.c", "abc")]
    public void Pattern_does_not_match(string pattern, string text) => Assert.False(Glob.IsMatch(pattern, text));

    [Fact]
    public void Text_matches_when_any_pattern_matches()
    {
        Assert.True(Glob.IsMatch(["a", "b*"], "bc"));
        Assert.False(Glob.IsMatch([], "bc"));
    }

    [Fact]
    public void Pattern_with_many_stars_is_matched_in_bounded_time()
    {
        // Exponential for a matcher that backtracks: 2^60 paths.
        Assert.False(Glob.IsMatch(string.Concat(Enumerable.Repeat("*a", 60)) + "b", new string('a', 2000)));
        Assert.False(Glob.IsMatch(string.Concat(Enumerable.Repeat("**a", 60)) + "b", new string('a', 2000)));
    }

    [Fact]
    public void Result_equals_the_naive_definition()
    {
        var pieces = Gen.Elements("a", "b", "/", "*", "**", "**/");
        var texts = Gen.Elements("a", "b", "/");
        var cases =
            from pattern in Gen.ListOf(pieces, 6)
            from text in Gen.ListOf(texts, 6)
            select (string.Concat(pattern), string.Concat(text));
        Prop.ForAll(cases.ToArbitrary(), static c => Glob.IsMatch(c.Item1, c.Item2) == Model(c.Item1, c.Item2))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    // The definition by other means: each element as part of a regular expression.
    private static bool Model(string pattern, string text)
    {
        var expression = Regex.Replace(pattern, @"(?<=^|/)\*\*/|\*\*|\*|[^*]", static m => m.Value switch
        {
            "**/" => "(.*/)?",
            "**" => ".*",
            "*" => "[^/]*",
            var other => Regex.Escape(other),
        });
        return Regex.IsMatch(text, $@"\A{expression}\z", RegexOptions.CultureInvariant);
    }
}
