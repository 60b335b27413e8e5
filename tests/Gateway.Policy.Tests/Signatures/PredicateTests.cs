using System.Text.Json;
using Gateway.Policy.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forge;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Conditions on attestations: paths in the predicate, and the values there.</summary>
public sealed class PredicateTests
{
    private const string Predicate = """
        {"a":{"b":"text","n":1.50,"t":true,"z":null},"list":[{"id":"one"},{"id":"two"}],"odd.key":"x","deep":{"list":[["in"]]},"café":"é"}
        """;

    private static readonly TestKey Release = TestKey.Ecdsa();
    private static readonly TrustOptions Trust = TrustIn.Keys(Release);

    private static EvidenceCheck Attested(string predicate, params PredicateCondition[] where) =>
        AskAttested(Trust, where, Referrer(Of(Bundle(Release, Statement(Slsa, predicate.Trim())))));

    [Theory]
    [InlineData("$.a.b", "text")]
    [InlineData("$['a']['b']", "text")]
    [InlineData("$.a.n", "1.50")]
    [InlineData("$.a.t", "true")]
    [InlineData("$.list[0].id", "one")]
    [InlineData("$.list[*].id", "two")]
    [InlineData("$['odd.key']", "x")]
    [InlineData("$.deep.list[0][0]", "in")]
    [InlineData("$.deep.list[*][*]", "in")]
    [InlineData("$.café", "é")]
    public void Path_finds_its_value(string path, string value) =>
        Assert.Null(Attested(Predicate, new PredicateCondition(path, new(TextComparison.Exact, value))).Code);

    [Theory]
    [InlineData("$.a.b", "Text")]
    [InlineData("$.A.b", "text")]
    [InlineData("$.a.n", "1.5")]
    [InlineData("$.a.z", "null")]
    [InlineData("$.a", "text")]
    [InlineData("$.list[2].id", "two")]
    [InlineData("$.list.id", "one")]
    [InlineData("$.a[0]", "text")]
    [InlineData("$", "")]
    public void Other_value_or_missing_path_fails(string path, string value) => Assert.Equal(
        ReasonCodes.AttPredicateFailed, Attested(Predicate, new PredicateCondition(path, new(TextComparison.Exact, value))).Code);

    [Theory]
    [InlineData(TextComparison.Glob, "refs/tags/v*", true)]
    [InlineData(TextComparison.Glob, "refs/*", false)]
    [InlineData(TextComparison.Regex, @"refs/tags/v[0-9.]+", true)]
    [InlineData(TextComparison.Regex, @"tags", false)]
    [InlineData(TextComparison.Regex, @"refs/tags/v1|x", false)]
    public void Patterns_are_anchored(TextComparison comparison, string pattern, bool matches) => Assert.Equal(
        matches, Attested("""{"ref":"refs/tags/v1.2"}""", new PredicateCondition("$.ref", new(comparison, pattern))).IsSatisfied);

    [Fact]
    public void Regular_expression_with_catastrophic_backtracking_elsewhere_terminates()
    {
        var text = new string('a', 50_000) + "!";

        Assert.Equal(
            ReasonCodes.AttPredicateFailed,
            Attested($$"""{"a":"{{text}}"}""", new PredicateCondition("$.a", new(TextComparison.Regex, "(a+)+"))).Code);
    }

    [Fact]
    public void All_conditions_must_hold_in_one_attestation()
    {
        PredicateCondition[] where = [new("$.a", new(TextComparison.Exact, "1")), new("$.b", new(TextComparison.Exact, "1"))];
        var one = Referrer(Of(Bundle(Release, Statement(Slsa, """{"a":1}"""))));
        var other = Referrer(Of(Bundle(Release, Statement(Slsa, """{"b":1}"""))));

        Assert.Equal(ReasonCodes.AttPredicateFailed, AskAttested(Trust, where, one, other).Code);
        Assert.True(Attested("""{"a":1,"b":1}""", where).IsSatisfied);
    }

    [Theory]
    [InlineData("""{"a":"good","a":"evil"}""")]
    [InlineData("""{"a":"good","\u0061":"evil"}""")]
    [InlineData("""{"x":"\ud800","a":"good"}""")]
    [InlineData("\"good\"")]
    public void Ambiguous_predicate_does_not_match(string predicate)
    {
        var path = predicate.Contains("ud800", StringComparison.Ordinal) ? "$.x" : "$.a";

        Assert.Equal(
            ReasonCodes.AttPredicateFailed, Attested(predicate, new PredicateCondition(path, new(TextComparison.Exact, "good"))).Code);
    }

    [Fact]
    public void Predicate_with_keys_that_differ_only_in_case_is_read() =>
        Assert.True(
            Attested("""{"env":{"path":"a","PATH":"b"}}""", new PredicateCondition("$.env.PATH", new(TextComparison.Exact, "b")))
                .IsSatisfied);

    [Theory]
    [InlineData("a.b")]
    [InlineData("")]
    [InlineData("$.")]
    [InlineData("$..a")]
    [InlineData("$.a[")]
    [InlineData("$.a[-1]")]
    [InlineData("$.a[x]")]
    [InlineData("$.a[?(@.b)]")]
    [InlineData("$.*")]
    [InlineData("$a")]
    [InlineData("$.a[0:2]")]
    [InlineData("$['a'")]
    [InlineData("$.a b")]
    public void Malformed_path_is_reported(string path) => Assert.Null(PredicatePath.Parse(path));

    [Fact]
    public void Path_over_the_limit_is_refused()
    {
        Assert.NotNull(PredicatePath.Parse("$" + string.Concat(Enumerable.Repeat("[*]", 32))));
        Assert.Null(PredicatePath.Parse("$" + string.Concat(Enumerable.Repeat("[*]", 33))));
    }

    [Fact]
    public void Path_finds_every_item_of_a_list()
    {
        using var document = JsonDocument.Parse("[[1,2],[3]]");

        Assert.Equal(["1", "2", "3"], PredicatePath.Parse("$[*][*]")!.Find(document.RootElement).Select(static e => e.GetRawText()));
    }
}
