using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Tests.Requirements;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>Exceptions lift one rule for some content until a date.</summary>
public sealed class ExceptionTests
{
    private static readonly DateTimeOffset Now = Asking.Now;

    private static readonly ExceptionOptions Exception = new()
    {
        Id = "ex-17", Rule = "types", Repositories = ["team/**"], Until = Asking.Now.AddDays(3), By = "alice", Reason = "INC-204",
    };

    private static Verdict Evaluate(ExceptionOptions exception, PolicyInput? input = null) =>
        new PolicyEngine(
            PolicyOf(Types(), new RuleOptions { Id = "types", Require = new() { ArtifactTypes = true } }) with { Exceptions = [exception] })
            .Evaluate((input ?? Input(Wasm)) with { Now = Now });

    [Fact]
    public void Exception_lifts_its_rule_and_is_named_in_the_verdict()
    {
        var verdict = Evaluate(Exception);
        Assert.Equal((Outcome.Allow, Outcome.Deny, Now.AddDays(3)), (verdict.Outcome, verdict.BeforeModes, verdict.Until));
        Assert.Equal(["ex-17"], verdict.ExceptionsUsed);
        Assert.Equal((ReasonCodes.TypeConfigNotAllowed, Outcome.Allow), (verdict.Reasons[0].Code, verdict.Reasons[0].Outcome));
    }

    [Fact]
    public void Exception_that_was_not_needed_is_not_named()
    {
        var verdict = Evaluate(Exception, Input(Image));
        Assert.Empty(verdict.ExceptionsUsed);
        Assert.Null(verdict.Until);
    }

    [Fact]
    public void Ended_exception_lifts_nothing()
    {
        Assert.False(Evaluate(Exception with { Until = Now }).Admits);
        Assert.True(Evaluate(Exception with { Until = Now.AddSeconds(1) }).Admits);
    }

    [Fact]
    public void Refusal_names_the_ended_exception_that_would_have_lifted_it()
    {
        var ended = Evaluate(Exception with { Until = Now }).Reasons[0].Message;
        Assert.Contains("; exception 'ex-17' ended 2026-06-01T12:00:00Z; ", ended, StringComparison.Ordinal);
        Assert.DoesNotContain("ended", Evaluate(Exception).Reasons[0].Message, StringComparison.Ordinal);
        Assert.DoesNotContain(
            "ended", Evaluate(Exception with { Until = Now, Rule = "other" }).Reasons[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Exception_applies_only_to_its_rule_and_repositories()
    {
        Assert.False(Evaluate(Exception with { Rule = "other" }).Admits);
        Assert.False(Evaluate(Exception with { Repositories = ["prod/**"] }).Admits);
    }

    [Fact]
    public void Exception_applies_to_its_digests_and_their_children()
    {
        Assert.True(Evaluate(Exception with { Digests = [DigestOf(Wasm)] }).Admits);
        Assert.False(Evaluate(Exception with { Digests = [DigestOf(Image)] }).Admits);
        var index = Index(Wasm, Sif);
        var input = Input(index, Wasm, Sif);
        Assert.True(Evaluate(Exception with { Digests = [DigestOf(Wasm), DigestOf(Sif)] }, input).Admits);
        Assert.False(Evaluate(Exception with { Digests = [DigestOf(Wasm)] }, input).Admits);
        Assert.True(Evaluate(Exception with { Digests = [input.Digest] }, input).Admits);
    }

    /// <remarks>A client pulls the index by its tag, and then an image of it by digest.</remarks>
    [Fact]
    public void Exception_for_an_index_lets_clients_pull_what_is_below_it()
    {
        var index = Index(Wasm, Sif);
        var pulled = Input(Wasm).With(facts => facts with { Above = [(DigestOf(index), index)] });
        var exception = Exception with { Digests = [DigestOf(index)] };
        var policy = PolicyOf(Types(), new RuleOptions { Id = "types", Require = new() { ArtifactTypes = true } });

        Assert.True(Evaluate(exception, pulled).Admits);
        Assert.False(Evaluate(exception).Admits);
        Assert.Equal(FactKinds.Above, new PolicyEngine(policy with { Exceptions = [exception] }).Needs(pulled));
        Assert.Equal(FactKinds.None, new PolicyEngine(policy with { Exceptions = [Exception] }).Needs(pulled));
    }

    [Fact]
    public void Exception_lifts_an_implied_rule_and_never_the_limits_of_documents()
    {
        var policy = PolicyOf(Types()) with
        {
            Exceptions = [Exception with { Rule = "artifactTypes" }, Exception with { Rule = "parser.foreignLayers" }],
        };
        Assert.True(new PolicyEngine(policy).Evaluate(Input(Wasm) with { Now = Now }).Admits);
        var foreign = Image with { Layers = [Descriptor(Gzip, "https://evil.example/x")] };
        Assert.False(new PolicyEngine(policy).Evaluate(Input(foreign) with { Now = Now }).Admits);
    }
}
