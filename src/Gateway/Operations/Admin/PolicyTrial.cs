using System.Runtime.CompilerServices;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Operations;

/// <summary>
/// Evaluates stored content by a policy, in a dry run: with the code that evaluates live requests, on the stored part of each repository.
/// It asks no upstream, decides nothing and records nothing.
/// </summary>
internal sealed class PolicyTrial(
    StoredRouter routers, StoredRepositories stored, CachedRepositories cached, Decisions decisions)
{
    /// <summary>Names read from the catalog at a time; the catalog is locked meanwhile.</summary>
    private const int NamePage = 100;

    /// <summary>Answers a question with the policy in force, or with the policy of the question.</summary>
    public async Task<PolicyExplained> ExplainAsync(
        GatewayOptions options, PolicyQuestion question, CancellationToken cancellationToken)
    {
        var (policy, problem) = question.Policy?.Read() ?? (options.Policy, null);
        if (problem is not null) return new(null, problem);
        if (decisions.Find(question.Reference) is { } recorded)
            return new(null, null) { Decision = Encoding.UTF8.GetString(recorded.Json) };
        if (ImageReference.Parse(question.Reference) is not { Reference: var what } image)
            return new(
                null,
                "expected repository:tag, repository@digest, or the id of a decision that this gateway made and still has, "
                + $"got {Printable.Quote(question.Reference)}; of several gateways, ask the one that answered the client");
        if (ExplanationForm.StageOf(question.Stage) is not { } stage)
            return new(null, $"expected a stage such as push, tag or pull, got {Printable.Quote(question.Stage)}");
        TimeProvider clock = question.At is { } moment ? new StoppedClock(moment) : TimeProvider.System;
        var router = routers.Of(options, policy, clock);
        // As a path, which is the canonical name; otherwise as clients write it with the registry.
        Routed?[] names = [router.FindHere(image), router.Find(image)];
        Routed[] meant = [.. names.OfType<Routed>().Where(routed => routed.Repository is not null)];
        foreach (var routed in meant)
        {
            if (await routed.Repository!.DryRun.ExplainAsync(what, stage, cancellationToken) is not { } explained) continue;
            return new(ExplanationForm.Describe(routed.CanonicalName, what, stage, explained, clock.GetUtcNow()) with
            {
                Rights = question.As is { } actor ? RightsOf(options, actor, routed.CanonicalName) : null,
            }, null);
        }
        return new(null, meant.Length == 0
            ? $"expected a repository of this gateway, got {image.Name} without a route"
            : $"{image.Name} has no {what} here; push or pull it first. For refused content, give the id of the decision");
    }

    /// <summary>Each stored tag that the new policy evaluates differently from the old one at a pull, as it is found.</summary>
    public IAsyncEnumerable<PolicyChange> DiffAsync(
        GatewayOptions options, PolicyComparison comparison, CancellationToken cancellationToken) =>
        DiffAsync(options, comparison.Old.Read().Policy, comparison.New.Read().Policy, cancellationToken);

    /// <summary>The same for policies that were read.</summary>
    public async IAsyncEnumerable<PolicyChange> DiffAsync(
        GatewayOptions options, PolicyOptions? before, PolicyOptions? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var clock = new StoppedClock(TimeProvider.System.GetUtcNow());
        var (old, @new) = (routers.Of(options, before, clock), routers.Of(options, after, clock));
        await Task.Yield();
        foreach (var routed in All(old, cancellationToken))
        {
            var other = @new.Route(routed.CanonicalName).Repository;
            if (routed.Repository is not { } repository || other is null) continue;
            await foreach (var tag in repository.DryRun.TagsAsync(cancellationToken))
            {
                if (await repository.DryRun.ExplainAsync(new(tag), Stage.Pull, cancellationToken) is not { } was) continue;
                if (await other.DryRun.ExplainAsync(new(tag), Stage.Pull, cancellationToken) is not { } then) continue;
                if (was.Verdict.Outcome == then.Verdict.Outcome) continue;
                var worse = was.Verdict.Outcome > then.Verdict.Outcome ? was.Verdict : then.Verdict;
                yield return new(
                    repository.Name.Value, tag.Value, then.Digest.ToString(), ExplanationForm.Name(was.Verdict.Outcome),
                    ExplanationForm.Name(then.Verdict.Outcome),
                    [.. worse.Reasons.Take(3).Select(ExplanationForm.Answer)]);
            }
        }
    }

    // Pushed content, then cached content of the configured upstreams.
    private IEnumerable<Routed> All(RepositoryRouter router, CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = stored.PushedAfter(last, NamePage);
            foreach (var name in page.Items)
            {
                if (router.Route(name) is { Source: null } routed) yield return routed;
            }
            if (!page.More) break;
            last = page.Items[^1].Value;
        }
        foreach (var each in cached.All())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (router.UpstreamOf(each.Upstream) is { } upstream && router.Of(upstream, each.Name) is { } routed) yield return routed;
        }
    }

    // By the account's name in access rules; no password is needed.
    private static RightsAnswer RightsOf(GatewayOptions options, string actor, RepositoryName name)
    {
        var access = new AccessControl(options.Access, TimeProvider.System, NullLogger<AccessControl>.Instance);
        Identity identity = actor == Caller.Anonymous ? Identity.Anonymous.Instance : new Identity.Known(actor);
        var caller = access.For(identity, name);
        return new(actor, caller.MayPull, caller.MayPush);
    }

    /// <summary>A clock with a fixed time; its timers run.</summary>
    private sealed class StoppedClock(DateTimeOffset at) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => at;
    }
}
