using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The <c>access</c> section.</summary>
internal static class AccessSchema
{
    private static readonly Scalar<AccessActions> Action = Scalars.OneOf(
        ("pull", AccessActions.Pull), ("push", AccessActions.Push), ("delete", AccessActions.Delete));

    private static readonly Section<AccessRule> Rule = new(() => new([], [], AccessActions.None))
    {
        {
            "actors", new ListOf<string>(Scalars.Text), new Required(),
            "Accounts of the htpasswd file; `anonymous` for everybody; `*` for everybody who logged in.", (o, v) => o with { Actors = v }
        },
        {
            "repositories", new ListOf<string>(Scalars.Glob), new Required(),
            "Repositories, as patterns over the whole name: `team/**`.", (o, v) => o with { Repositories = v }
        },
        {
            "actions", new ListOf<AccessActions>(Action), new Required(), "What they may do; each action is its own.",
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
            "rules", new ListOf<AccessRule>(Rule), "[]",
            "Who may do what where. Nothing is allowed that no rule allows.", (o, v) => o with { Rules = v }
        },
    };

    private static void CheckActors(AccessOptions access, string path, Reading reading)
    {
        if (access.Htpasswd is not null) return;
        for (var i = 0; i < access.Rules.Length; i++)
        {
            var account = access.Rules[i].Actors.FirstOrDefault(actor => actor != "anonymous");
            if (account is not null) reading.Add($"{path}.rules[{i}].actors", $"'{account}' cannot log in without {path}.htpasswd");
        }
    }
}
