using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>Mistakes that people make in YAML: the line to change, and how, in words that need no knowledge of the parser.</summary>
public sealed class YamlMistakeTests
{
    [Theory]
    [InlineData("storage:\n\tpath: ./x\n", "2:1: expected spaces, got a tab")]
    [InlineData("storage:\n  path: ./x\n   keepFree: 1\n", "3:4: this line is indented by 3 spaces, the one above it by 2 and has a")]
    [InlineData("listen: http://127.0.0.1:5000 # x\n  operator: x\n", "2:3: this line is indented by 2 spaces, the one above it by 0")]
    [InlineData(
        "access:\n  rules:\n   - actors: [a]\n     repositories: ['**']\n    actions: [pull]\n",
        "5:5: this line is indented by 4 spaces, which fits no line above it; expected 0 or 2 or 3 or 5")]
    [InlineData("storage:\n  path: \"./x\n", "2:9: the quote that opens here is not closed; add \"")]
    [InlineData("storage:\n  path: './x\ncache: {}\n", "2:9: the quote that opens here is not closed; add '")]
    [InlineData("storage: { path: \"a\\q\" }\n", "1:18: a backslash in double quotes begins an escape")]
    [InlineData("cache: { maxSize: 1GiB\n", "1:8: the bracket { that opens here is not closed; add }")]
    [InlineData("cache: { maxSize: '{' # [\n", "1:8: the bracket { that opens here is not closed; add }")]
    [InlineData("storage: [\n", "1:10: the bracket [ that opens here is not closed; add ]")]
    [InlineData("listen: @x\n", "1:9: a value cannot begin with @; put the value in quotes")]
    [InlineData("storage: path: x\n", "1:14: expected one key and its value, got a second ': '")]
    [InlineData("cache:\n  maxSize: *big\n", "2:12: cache.maxSize: YAML aliases are not supported")]
    [InlineData("storage: !x {}\n", "1:10: storage: YAML tags are not supported; remove it")]
    [InlineData("a: 1\n---\nb: 1\n", "2:1: expected one YAML document, got a second one")]
    public void Broken_syntax_is_explained_at_the_line_to_change(string text, string expected) =>
        Assert.StartsWith("gateway.yaml:" + expected, Mistake(text), StringComparison.Ordinal);

    [Theory]
    [InlineData("upstreams:\n  - docker.io\n", "got a list; remove the '- ' or the brackets, and end each name with a colon")]
    [InlineData("routes:\n  prefix: a\n", "got a section; begin each item with '- '")]
    [InlineData("storage: ./data\n", "got one value; write its keys on the lines below it, indented by two spaces")]
    [InlineData("ALLOWED_OCI_ARTIFACT_TYPES: {}\n", "unknown key; it belongs under policy.artifactTypes")]
    [InlineData("SERVER_HOSTNAME: quay.example.com\n", "it may be a setting of Quay; run: gateway policy import --quay FILE")]
    [InlineData("cache:\nkeepFree: 1GiB\n", "unknown key; it belongs under cache")]
    [InlineData("cahce: {}\n", "unknown key; did you mean cache?")]
    public void Valid_syntax_in_the_wrong_place_is_reported_with_the_remedy(string text, string expected) =>
        Assert.Contains(expected, Mistake(text), StringComparison.Ordinal);

    private static string Mistake(string text) =>
        ConfigurationLoader.Load(text, "gateway.yaml", "/", []).Mistakes[0].ToString();
}
