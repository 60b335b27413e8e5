namespace Gateway.Upstream;

/// <summary>
/// One account at a registry. The gateway reads the password from its file at each use, so that a new password needs no reload.
/// </summary>
public sealed record CredentialOptions
{
    /// <summary>The account without credentials.</summary>
    public static readonly CredentialOptions Anonymous = new();

    /// <summary>The name in metrics and logs that the configuration gives; null if it gives none.</summary>
    public string? Label { get; init; }

    /// <summary>The user name; null if the account is anonymous, or <see cref="Helper"/> returns the user name.</summary>
    public string? Username { get; init; }

    /// <summary>The password; null if it is in <see cref="PasswordFile"/>.</summary>
    public string? Password { get; init; }

    /// <summary>The absolute path of a file with the password; null if there is none.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>The credential helper program (docker-credential-…), called with <c>get</c>; null if there is none.</summary>
    public string? Helper { get; init; }

    /// <summary>The name in metrics and logs. Never contains the secret.</summary>
    public string Name => Label ?? Username ?? Path.GetFileName(Helper) ?? "anonymous";

    /// <summary>Whether requests carry no credentials.</summary>
    internal bool IsAnonymous => Username is null && Helper is null;

    /// <summary>The account's name. Never contains the secret.</summary>
    public override string ToString() => $"credentials of {Name}";
}
