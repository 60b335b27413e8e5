using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The <c>access</c> section.</summary>
internal static class AccessSchema
{
    private static readonly Scalar<AccessActions> Action = Scalars.OneOf(
        ("pull", AccessActions.Pull), ("push", AccessActions.Push), ("delete", AccessActions.Delete), ("admin", AccessActions.Admin));

    private static readonly Section<AccessRule> Rule = new(() => new([], [], AccessActions.None))
    {
        {
            "actors", new ListOf<string>(Scalars.Text), new Required(),
            "Accounts of the htpasswd file, and `*` for all of them; `<issuer>:<pattern>` for who brings a token of an issuer; "
            + "`cert:<pattern>` for who connects with a certificate; `@<group>`; `anonymous` for everybody.",
            (o, v) => o with { Actors = v }
        },
        {
            "repositories", new ListOf<string>(Scalars.Glob), new Required(),
            "Repositories, as patterns over the whole name: `team/**`.", (o, v) => o with { Repositories = v }
        },
        {
            "actions", new ListOf<AccessActions>(Action), new Required(),
            "What they may do; each action is its own. `admin` lets evidence be deleted that something is admitted by.",
            (o, v) => o with { Actions = v.Aggregate(AccessActions.None, (all, one) => all | one) }
        },
    };

    public static readonly Section<AccessOptions> Access = new(() => new(), CheckActors)
    {
        {
            "htpasswd", Scalars.ReadableFile, "(none: only `anonymous` is known)",
            "File of accounts with bcrypt hashes; taken up when it changes. `gateway hash-password` makes its lines.",
            (o, v) => o with { Htpasswd = v }
        },
        {
            "issuers", IssuerSchema.Issuers, "{}",
            "Issuers of identity tokens (OpenID Connect): of CI jobs, clusters and people.", (o, v) => o with { Issuers = v }
        },
        {
            "groups", new MapOf<ImmutableArray<string>>(IssuerSchema.Key, new ListOf<string>(Scalars.Text)), "{}",
            "Groups of actors, for rules to name as `@<group>`.", (o, v) => o with { Groups = v }
        },
        {
            "rules", new ListOf<AccessRule>(Rule), "[]",
            "Who may do what where. Nothing is allowed that no rule allows.", (o, v) => o with { Rules = v }
        },
    };

    /// <summary>What the names of actors begin with who are known by a client certificate.</summary>
    public const string CertificateActor = "cert:";

    /// <summary>Whether some rule or group means actors who are known by a client certificate.</summary>
    public static bool NamesCertificates(AccessOptions access) =>
        access.Rules.SelectMany(rule => rule.Actors).Concat(access.Groups.Values.SelectMany(members => members))
            .Any(actor => actor.StartsWith(CertificateActor, StringComparison.Ordinal));

    private static void CheckActors(AccessOptions access, string path, Reading reading)
    {
        for (var i = 0; i < access.Rules.Length; i++)
        {
            foreach (var actor in access.Rules[i].Actors)
            {
                if (ProblemOf(actor, access) is { } problem) reading.Add($"{path}.rules[{i}].actors", $"'{actor}' {problem}");
            }
        }
        if (access.Issuers.ContainsKey(CertificateActor.TrimEnd(':')))
            reading.Add($"{path}.issuers.cert", "this name is taken by client certificates; choose another");
        foreach (var same in access.Issuers.GroupBy(issuer => issuer.Value.Url, StringComparer.Ordinal).Where(urls => urls.Count() > 1))
            reading.Add($"{path}.issuers.{same.Last().Key}.url", $"'{same.Key}' is the url of {same.First().Key} already");
        foreach (var (name, members) in access.Groups)
        {
            foreach (var actor in members)
            {
                var problem = actor is "anonymous" or "*" || actor.StartsWith('@') ? "is no single actor" : ProblemOf(actor, access);
                if (problem is not null) reading.Add($"{path}.groups.{name}", $"'{actor}' {problem}");
            }
        }
    }

    /// <summary>Why nobody can ever be this actor; null when somebody can.</summary>
    private static string? ProblemOf(string actor, AccessOptions access)
    {
        if (actor == "anonymous") return null;
        var name = actor.TrimStart('@');
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0)
        {
            if (name.StartsWith(CertificateActor, StringComparison.Ordinal))
                return actor[0] == '@' ? "is no group: certificates bring none; write one in access.groups" : null;
            return access.Issuers.ContainsKey(name[..colon])
                ? null
                : $"names an issuer that access.issuers does not have{NearestName.Hint(name[..colon], access.Issuers.Keys)}";
        }
        if (actor.StartsWith('@'))
            return access.Groups.ContainsKey(name) ? null : $"names no group of access.groups{NearestName.Hint(name, access.Groups.Keys)}";
        return access.Htpasswd is null ? "cannot log in without access.htpasswd" : null;
    }
}
