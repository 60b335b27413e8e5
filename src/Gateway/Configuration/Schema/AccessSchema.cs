using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The <c>access</c> section.</summary>
internal static class AccessSchema
{
    private static readonly Scalar<AccessActions> Action = Scalars.OneOf(
        ("pull", AccessActions.Pull), ("push", AccessActions.Push), ("delete", AccessActions.Delete), ("admin", AccessActions.Admin),
        ("web", AccessActions.Web));

    private static readonly Section<AccessRule> Rule = new(() => new([], [], AccessActions.None))
    {
        {
            "actors", new ListOf<string>(Scalars.Text), new Required(),
            "Accounts of the htpasswd file, `*` for all of them; `<issuer>:<pattern>` for identity tokens of an issuer; "
            + "`cert:<pattern>` for client certificates; `@<group>`; `anonymous` for every client.",
            (o, v) => o with { Actors = v }
        },
        {
            "repositories", new ListOf<string>(Scalars.Glob), new Required(),
            "Repositories, as patterns over the whole name: `team/**`.", (o, v) => o with { Repositories = v }
        },
        {
            "actions", new ListOf<AccessActions>(Action), new Required(),
            "What the actors can do; no action includes another. `admin` allows deleting evidence that admits other content, and releasing "
            + "held pushes; in every repository (`**`), also the console's pages about the whole gateway.",
            (o, v) => o with { Actions = v.Aggregate(AccessActions.None, (all, one) => all | one) }
        },
    };

    public static readonly Section<AccessOptions> Access = new(() => new(), CheckActors)
    {
        {
            "htpasswd", Scalars.ReadableFile, "(none: only `anonymous` is known)",
            "File of accounts with bcrypt hashes; read again when it changes. `gateway hash-password` prints its lines.",
            (o, v) => o with { Htpasswd = v }
        },
        {
            "tokenKeyFile", TokenFile.Setting, "(`replicas.secretFile`; otherwise a key of this process alone)",
            "File with a secret, at least 16 characters in one line, the same on each gateway behind one load balancer: then each gateway "
            + "accepts the tokens of the others. Read again within a second of a change, which ends all earlier tokens.",
            (o, v) => o with { TokenKeyFile = v }
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
            "Rights of actors in repositories. Everything without a rule is refused.", (o, v) => o with { Rules = v }
        },
    };

    /// <summary>Prefix of actors that are identified by a client certificate.</summary>
    public const string CertificateActor = "cert:";

    /// <summary>Whether a rule or group lists actors that are identified by a client certificate.</summary>
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
            reading.Add($"{path}.issuers.cert", "the name 'cert' is reserved for client certificates; use another name");
        foreach (var same in access.Issuers.GroupBy(issuer => issuer.Value.Url, StringComparer.Ordinal).Where(urls => urls.Count() > 1))
            reading.Add($"{path}.issuers.{same.Last().Key}.url", $"'{same.Key}' is already the url of {same.First().Key}; remove one");
        foreach (var (name, members) in access.Groups)
        {
            foreach (var actor in members)
            {
                var problem = actor is "anonymous" or "*" || actor.StartsWith('@') ? "is not a single actor" : ProblemOf(actor, access);
                if (problem is not null) reading.Add($"{path}.groups.{name}", $"'{actor}' {problem}");
            }
        }
    }

    /// <summary>Why no client can be this actor; null if a client can.</summary>
    private static string? ProblemOf(string actor, AccessOptions access)
    {
        if (actor == "anonymous") return null;
        var name = actor.TrimStart('@');
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0)
        {
            if (name.StartsWith(CertificateActor, StringComparison.Ordinal))
                return actor[0] == '@' ? "is not a group: certificates have no groups; add one to access.groups" : null;
            return access.Issuers.ContainsKey(name[..colon])
                ? null
                : $"names an unknown issuer of access.issuers{NearestName.Hint(name[..colon], access.Issuers.Keys)}";
        }
        if (actor.StartsWith('@'))
            return access.Groups.ContainsKey(name)
                ? null
                : $"names an unknown group of access.groups{NearestName.Hint(name, access.Groups.Keys)}";
        return access.Htpasswd is null ? "cannot log in without access.htpasswd; add access.htpasswd" : null;
    }
}
