namespace Gateway.Upstream;

/// <summary>
/// One account at a registry. The password is read from its file at each use, so that a rotated one is used without a reload.
/// </summary>
public sealed record CredentialOptions
{
    /// <summary>No credentials, as one account among others.</summary>
    public static readonly CredentialOptions Anonymous = new();

    /// <summary>The name in metrics and logs, where the configuration gives one.</summary>
    public string? Label { get; init; }

    /// <summary>Null without a password of its own: anonymous, or known to <see cref="Helper"/>.</summary>
    public string? Username { get; init; }

    /// <summary>The password itself; null where it is in <see cref="PasswordFile"/>.</summary>
    public string? Password { get; init; }

    /// <summary>Absolute path of a file with the password.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>Credential helper program (docker-credential-…), called with <c>get</c>.</summary>
    public string? Helper { get; init; }

    /// <summary>The name in metrics and logs: never the secret.</summary>
    public string Name => Label ?? Username ?? Path.GetFileName(Helper) ?? "anonymous";

    /// <summary>Whether requests carry no credentials.</summary>
    public bool IsAnonymous => Username is null && Helper is null;

    /// <summary>The account's name, never the secret.</summary>
    public override string ToString() => $"credentials of {Name}";
}
