using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Commands.Policy;
using Gateway.Policy;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

public sealed class SubjectGlobTests
{
    [Theory]
    [InlineData(@"^https://github\.com/acme/app$", "https://github.com/acme/app", true, false)]
    [InlineData(@"^https://github\.com/acme/[^/]*$", "https://github.com/acme/*", false, false)]
    [InlineData(@"^https://github\.com/acme/.*$", "https://github.com/acme/**", false, false)]
    [InlineData(@"^.*@acme\.example$", "**@acme.example", false, false)]
    [InlineData(@"https://github\.com/acme/.*", "https://github.com/acme/**", false, true)]
    [InlineData(@"^https://github.com/acme/app$", "https://github.com/acme/app", true, true)]
    [InlineData(@"^https://github\.com/acme/.*/\.github/w\.yml@.*$", "https://github.com/acme/*/.github/w.yml@**", false, true)]
    public void Regular_expression_equal_to_a_glob_becomes_a_glob(string regex, string glob, bool isExact, bool isNarrower) =>
        Assert.Equal(new SubjectGlob(glob, isExact, isNarrower), SubjectGlob.Of(regex));

    [Theory]
    [InlineData("")]
    [InlineData("^$")]
    [InlineData("a|b")]
    [InlineData("(a)")]
    [InlineData("[ab]")]
    [InlineData("[^/]+")]
    [InlineData(".+")]
    [InlineData(".*?")]
    [InlineData("a*")]
    [InlineData("a{2}")]
    [InlineData(@"\d")]
    [InlineData(@"\*")]
    [InlineData(@"a\")]
    [InlineData("(?i)a")]
    public void Other_regular_expressions_become_no_glob(string regex) => Assert.Null(SubjectGlob.Of(regex));

    [Fact]
    public void Converted_glob_matches_no_more_than_its_expression()
    {
        var element = Gen.Elements(".*", "[^/]*", @"\.", ".", "/", "a", "b", @"\/", "^", "$", "@");
        var text = Gen.Elements("a", "b", "/", ".", "x", "@", "").ArrayOf().Select(string.Concat);
        var cases = from parts in element.ArrayOf() from start in Gen.Elements("^", "") from end in Gen.Elements("$", "") from t in text
                    select (Regex: start + string.Concat(parts) + end, Text: t);
        Prop.ForAll(cases.ToArbitrary(), static one =>
            SubjectGlob.Of(one.Regex) is not { } glob || !Glob.IsMatch(glob.Glob, one.Text)
            || Regex.IsMatch(one.Text, one.Regex, RegexOptions.CultureInvariant)).QuickCheckThrowOnFailure();
    }
}
