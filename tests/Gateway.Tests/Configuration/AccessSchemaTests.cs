using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class AccessSchemaTests
{
    private const string Issuer = "issuers: { ci: { url: 'https://ci.example.com', audience: here } }";

    [Fact]
    public void Issuer_has_its_url_and_audience_and_the_subject_for_an_actor()
    {
        var issuer = Yaml.Good($"access: {{ {Issuer} }}").Access!.Issuers["ci"];

        Assert.Equal(("https://ci.example.com", "here", "sub"), (issuer.Url, issuer.Audience, issuer.Actor));
        Assert.Empty(issuer.Require);
    }

    [Theory]
    [InlineData(
        "rules: [{ actors: [ci], repositories: [a], actions: [pull] }]",
        "access.rules[0].actors: 'ci' cannot log in without access.htpasswd")]
    [InlineData(
        Issuer + ", rules: [{ actors: ['cy:x'], repositories: [a], actions: [pull] }]",
        "'cy:x' names an unknown issuer of access.issuers; did you mean ci?")]
    [InlineData(
        Issuer + ", rules: [{ actors: ['@cy:x'], repositories: [a], actions: [pull] }]",
        "'@cy:x' names an unknown issuer of access.issuers")]
    [InlineData(
        "groups: { devs: [] }, rules: [{ actors: ['@dev'], repositories: [a], actions: [pull] }]",
        "'@dev' names an unknown group of access.groups; did you mean devs?")]
    [InlineData("groups: { devs: ['@ops'] }", "access.groups.devs: '@ops' is not a single actor")]
    [InlineData("groups: { devs: ['*'] }", "access.groups.devs: '*' is not a single actor")]
    [InlineData("groups: { devs: [alice] }", "access.groups.devs: 'alice' cannot log in without access.htpasswd")]
    [InlineData("issuers: { ci: { url: 'https://ci.example.com' } }", "access.issuers.ci.audience: must be written")]
    [InlineData("issuers: { ci: { url: 'http://ci.example.com', audience: a } }", "access.issuers.ci.url: expected a URL such as")]
    [InlineData(
        "issuers: { 'c:i': { url: 'https://ci.example.com', audience: a } }", "expected a name of letters, digits, dots and dashes")]
    [InlineData(
        "issuers: { a: { url: 'https://x', audience: a }, b: { url: 'https://x', audience: b } }",
        "access.issuers.b.url: 'https://x' is already the url of a")]
    public void Impossible_actor_or_unusable_issuer_is_reported(string access, string expected) =>
        Assert.Contains(expected, Yaml.Mistake($"access: {{ {access} }}"));
}
