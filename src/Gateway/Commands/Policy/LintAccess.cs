using Gateway.Access;
using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>Likely mistakes in access rules, accounts and routes.</summary>
internal static class LintAccess
{
    // Maximum line numbers in one warning.
    private const int LinesTold = 5;

    public static IEnumerable<LintFinding> Of(GatewayOptions options)
    {
        var found = Unreachable(options);
        return options.Access is { } access ? found.Concat(Rules(access)).Concat(Accounts(access)) : found;
    }

    // The default prefix of such an upstream has another route (Completion.WithRouteOfEach).
    private static IEnumerable<LintFinding> Unreachable(GatewayOptions options) =>
        from key in options.Upstreams.Keys
        where options.Routes.All(route => route.Upstream != key)
        select new LintFinding(
            $"upstreams.{key}", "UPSTREAM_UNREACHABLE",
            $"it has no route, and another route has the prefix '{key}', so clients cannot reach it, not even by ?ns=",
            "add a route to it with another prefix");

    private static IEnumerable<LintFinding> Rules(AccessOptions access)
    {
        if (access.Rules.IsEmpty)
            yield return new(
                "access", "ACCESS_DENIES_ALL", "no rule allows anything, so every request is refused",
                "add rules, such as { actors: ['*'], repositories: ['**'], actions: [pull] }");
        foreach (var (i, rule) in access.Rules.Index())
        {
            foreach (var pattern in rule.Repositories)
            {
                if (LintPatterns.ProblemOf(pattern) is var (what, fix))
                    yield return new($"access.rules[{i}].repositories", "ACCESS_NEVER", what, fix);
            }
        }
    }

    private static IEnumerable<LintFinding> Accounts(AccessOptions access)
    {
        if (access.Htpasswd is not { } file || Read(file) is not { } lines) yield break;
        foreach (var same in lines.Where(line => line.Problem is not null).GroupBy(line => line.Problem!, StringComparer.Ordinal))
        {
            var numbers = string.Join(", ", same.Take(LinesTold).Select(line => line.Number));
            var more = same.Count() > LinesTold ? $" and {same.Count() - LinesTold} more" : "";
            yield return new(
                "access.htpasswd", "ACCOUNT_IGNORED", $"no account in {file}, line {numbers}{more}: {same.Key}",
                "replace the line or remove it");
        }
        var known = lines.Where(line => line.Problem is null).Select(line => line.Account).ToHashSet(StringComparer.Ordinal);
        var named = access.Rules.Index().SelectMany(
                one => one.Item.Actors.Select(actor => (Path: $"access.rules[{one.Index}].actors", Actor: actor)))
            .Concat(access.Groups.SelectMany(group => group.Value.Select(actor => (Path: $"access.groups.{group.Key}", Actor: actor))));
        foreach (var (path, actor) in named.Where(each => IsAccount(each.Actor) && !known.Contains(each.Actor)))
        {
            yield return new(
                path, "ACTOR_UNKNOWN",
                $"{file} has no account '{actor}'{NearestName.Hint(actor, known)}"
                + (actor.Contains('*', StringComparison.Ordinal) ? "; patterns are for the actors of issuers and certificates" : ""),
                $"correct the name, or add the account: gateway hash-password {actor} >> {file}");
        }
    }

    private static bool IsAccount(string actor) =>
        actor is not (Caller.Anonymous or Caller.Everybody or ['@', ..]) && !actor.Contains(':', StringComparison.Ordinal);

    // Unreadable files are reported elsewhere: by the setting, or by the running gateway.
    private static IReadOnlyList<HtpasswdLine>? Read(string file)
    {
        try
        {
            return HtpasswdLine.Read(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
