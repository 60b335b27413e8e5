using System.Text.Json;
using Gateway.Access;
using Gateway.Commands.Policy;
using Gateway.Commands;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Operations;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class PolicyTrialTests : IAsyncLifetime
{
    // As the loader completes it: one route for what clients push.
    private static readonly GatewayOptions Plain = Tests.Configuration.Yaml.Good("");

    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Held_push_is_explained_with_the_missing_evidence_and_the_remedy()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");

        var answer = await ExplainAsync("prod/app:v1");

        Assert.Equal((digest.ToString(), "pending", "quarantine", null), (answer.Digest, answer.State, answer.Effective, answer.Live));
        var rule = Assert.Single(answer.Rules, rule => rule.Id == "signed");
        Assert.Equal("repos prod/**", rule.MatchedBy);
        Assert.Equal(ReasonCodes.SigNone, Assert.Single(rule.Reasons).Code);
        Assert.Contains($"cosign sign --key KEY HOST/prod/app@{digest}", rule.Fix);
        Assert.Empty(answer.Evidence);
    }

    [Fact]
    public async Task Signature_that_does_not_count_is_shown_with_the_reason()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.SignAsync(digest, _rig.WrongKey);

        var seen = Assert.Single((await ExplainAsync("prod/app:v1")).Evidence);

        Assert.False(seen.Verified);
        Assert.Equal(("signature", "legacy", digest.ToString()), (seen.Kind, seen.Format, seen.Subject));
        Assert.Contains("expected a signature by key release-2026", seen.Why);
    }

    [Fact]
    public async Task Dry_run_matches_the_pull_in_every_state()
    {
        var (unsigned, _) = await _rig.PushAsync("unsigned", "one");
        var (signed, _) = await _rig.PushAsync("signed", "two");
        await _rig.SignAsync(signed);
        var (wrong, _) = await _rig.PushAsync("wrong", "three");
        await _rig.SignAsync(wrong, _rig.WrongKey);
        var (referred, _) = await _rig.PushAsync("referred", "four");
        await _rig.ReferAsync(referred);
        var free = _rig.At("free/app");
        var (elsewhere, _) = await _rig.PushAsync("v1", "five", free);

        foreach (var (name, references) in new[]
        {
            ("prod/app", new[] { "unsigned", "signed", "wrong", "referred", $"{unsigned}", $"{signed}", $"{wrong}", $"{referred}" }),
            ("free/app", ["v1", $"{elsewhere}"]),
        })
        {
            foreach (var reference in references) await AssertSameAsync(name, reference);
        }
    }

    private async Task AssertSameAsync(string name, string reference)
    {
        var what = Digest.TryParse(reference, out var digest) ? new Reference(digest) : new(TagName.Parse(reference));
        var live = await _rig.At(name).GetManifestAsync(HoldRig.Puller, what, default);
        var dry = await ExplainAsync(what.IsDigest ? $"{name}@{reference}" : $"{name}:{reference}");

        Assert.Equal(live is Answer<StoredManifest>.Found, dry.Effective is "allow" or "warn");
        if (live is Answer<StoredManifest>.Hidden hidden)
            Assert.Equal(
                hidden.Decision.Verdict.Reasons.Select(reason => reason.Code).Distinct(),
                dry.Rules.SelectMany(rule => rule.Reasons).Select(reason => reason.Code).Distinct());
    }

    [Fact]
    public async Task Dry_run_changes_and_records_nothing()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var stored = _rig.Volume.Pushed(_rig.Repository.Name);
        var (version, noted) = (stored.Version, (await stored.ReadLinkAsync(digest, LinkKind.Manifest, default))!.Value.Verdict);

        foreach (var stage in new[] { "push", "proxyFetch", "tag", "pull", "promote" }) await ExplainAsync("prod/app:v1", stage);
        await ExplainAsync("prod/app:v1", policy: "policy: { default: allow }");

        Assert.Equal((version, noted), (stored.Version, (await stored.ReadLinkAsync(digest, LinkKind.Manifest, default))!.Value.Verdict));
        Assert.Single(stored.HeldPushes());
    }

    [Fact]
    public async Task Explain_can_use_another_policy()
    {
        await _rig.PushAsync("v1", "one");

        Assert.Equal("allow", (await ExplainAsync("prod/app:v1", policy: "policy: { default: allow }")).Effective);
        Assert.Equal("deny", (await ExplainAsync("prod/app:v1", policy: "policy: { default: deny }")).Effective);
        Assert.Equal("allow", (await ExplainAsync("prod/app:v1", policy: "")).Effective);
    }

    [Fact]
    public async Task Explain_can_use_another_time()
    {
        await _rig.PushAsync("v1", "one");
        const string Old = "policy: { default: allow, rules: [ { id: old, require: { limits: { maxAge: 30d } } } ] }";

        Assert.Equal("allow", (await ExplainAsync("prod/app:v1", policy: Old)).Effective);
        var later = await ExplainAsync("prod/app:v1", policy: Old, at: DateTimeOffset.UtcNow.AddDays(31));
        Assert.Equal("deny", later.Effective);
    }

    [Fact]
    public async Task Decision_is_explained_by_its_id()
    {
        await _rig.PushAsync("v1", "one");
        var refused = Assert.IsType<Answer<StoredManifest>.Hidden>(await _rig.GetAsync(HoldRig.Puller, "v1")).Decision;

        var explained = await Trial().ExplainAsync(Options(), new(refused.Id), default);

        using var record = JsonDocument.Parse(explained.Decision!);
        var lines = RecordedLines.Of(record.RootElement).ToArray();
        Assert.StartsWith($"decision    {refused.Id}, ", lines[0], StringComparison.Ordinal);
        Assert.Contains($"told        {refused.Message}", lines);
        Assert.Contains("rule        signed (repos prod/**): quarantine", lines);
        Assert.Contains(lines, line => line.StartsWith("            SIG_NONE: policy rule 'signed': ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("d-7K2MPQ4X", "pull", "expected repository:tag, repository@digest, or the id of a decision that this gateway made")]
    [InlineData("other.example:5000/prod/app:v1", "pull", "expected a repository of this gateway, got other.example:5000/prod/app")]
    [InlineData("prod/app:v2", "pull", "prod/app has no v2 here")]
    [InlineData("prod/app", "pull", "prod/app has no latest here")]
    [InlineData("prod/other:v1", "pull", "prod/other has no v1 here")]
    [InlineData("Prod/app:v1", "pull", "expected repository:tag, repository@digest, or the id")]
    [InlineData("prod/app@sha256:12", "pull", "expected repository:tag, repository@digest, or the id")]
    [InlineData("prod/app:v1", "pulling", "expected a stage such as push, tag or pull")]
    public async Task Unanswerable_question_is_reported_in_a_sentence(string reference, string stage, string expected)
    {
        await _rig.PushAsync("v1", "one");

        var explained = await Trial().ExplainAsync(Options(), new(reference, stage), default);

        Assert.Null(explained.Answer);
        Assert.StartsWith(expected, explained.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_with_a_mistake_is_refused_with_its_place()
    {
        await _rig.PushAsync("v1", "one");

        var explained = await Trial().ExplainAsync(
            Options(), new("prod/app:v1", Policy: new("policy: { default: perhaps }", "new.yaml", "/")), default);

        Assert.StartsWith("new.yaml:1:20: policy.default: expected allow or deny", explained.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rights_of_an_account_are_shown_beside_the_verdict()
    {
        await _rig.PushAsync("v1", "one");
        var options = Options() with
        {
            Access = new() { Rules = [new(["ci"], ["prod/**"], AccessActions.Pull | AccessActions.Push)] },
        };

        var ci = await Trial().ExplainAsync(options, new("prod/app:v1", As: "ci"), default);
        var anonymous = await Trial().ExplainAsync(options, new("prod/app:v1", As: "anonymous"), default);

        Assert.Equal(new("ci", true, true), ci.Answer!.Rights);
        Assert.Equal(new("anonymous", false, false), anonymous.Answer!.Rights);
    }

    [Fact]
    public async Task Diff_lists_exactly_the_tags_whose_outcome_changes()
    {
        await _rig.PushAsync("unsigned", "one");
        var (signed, _) = await _rig.PushAsync("signed", "two");
        await _rig.SignAsync(signed);
        await _rig.PushAsync("v1", "three", _rig.At("free/app"));
        var strict = $$"""
            policy:
              default: allow
              trust:
                keys: { k: { pem: "{{_rig.Key.ExportSubjectPublicKeyInfoPem().Replace("\n", "\\n", StringComparison.Ordinal)}}" } }
                authorities: { release: { anyOf: [ { key: k } ] } }
              rules: [ { id: signed, require: { signatures: [ { authority: release } ] } } ]
            """;

        var worse = await DiffAsync("policy: { default: allow }", strict);
        var better = await DiffAsync(strict, "policy: { default: allow }");

        Assert.Equal(["free/app:v1 allow deny", "prod/app:unsigned allow deny"], worse.Select(Brief).Order(StringComparer.Ordinal));
        Assert.All(worse, change => Assert.Equal(ReasonCodes.SigNone, change.Reasons[0].Code));
        Assert.Equal(["free/app:v1 deny allow", "prod/app:unsigned deny allow"], better.Select(Brief).Order(StringComparer.Ordinal));
        Assert.Empty(await DiffAsync(strict, strict));
    }

    private static string Brief(PolicyChange change) => $"{change.Repository}:{change.Tag} {change.Old} {change.New}";

    private async Task<List<PolicyChange>> DiffAsync(string old, string @new)
    {
        var changes = new List<PolicyChange>();
        var comparison = new PolicyComparison(new(old, "old", "/"), new(@new, "new", "/"));
        await foreach (var change in Trial().DiffAsync(Options(), comparison, default))
            changes.Add(change);
        return changes;
    }

    private async Task<PolicyAnswer> ExplainAsync(string reference, string stage = "pull", string? policy = null, DateTimeOffset? at = null)
    {
        var explained = await Trial().ExplainAsync(
            Options(), new(reference, stage, At: at, Policy: policy is null ? null : new(policy, "new.yaml", "/")), default);
        Assert.Null(explained.Problem);
        return explained.Answer!;
    }

    private PolicyTrial Trial() => AdminCommand.TrialOf(_rig.Volume);

    private GatewayOptions Options() => Plain with { Policy = _rig.Policy };
}
