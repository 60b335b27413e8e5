using System.Security.Cryptography;
using System.Text;

namespace Gateway.Upstream;

/// <summary>A user name and its current secret: a password or a refresh token.</summary>
public sealed class Credential
{
    // New in each process, so that an id cannot be used outside of it.
    private static readonly byte[] Salt = RandomNumberGenerator.GetBytes(32);

    /// <summary>A credential with this user name and secret.</summary>
    public Credential(string username, string secret)
    {
        (Username, Secret) = (username, secret);
        Id = Convert.ToHexString(HMACSHA256.HashData(Salt, Encoding.UTF8.GetBytes($"{username}\0{secret}")));
    }

    /// <summary>The user name; <c>&lt;token&gt;</c> if the secret is a refresh token.</summary>
    public string Username { get; }

    /// <summary>The password or refresh token.</summary>
    internal string Secret { get; }

    /// <summary>Identifies the credential within this process. It changes with the secret, and does not reveal it.</summary>
    public string Id { get; }

    /// <summary>Whether the secret is a refresh token, which only token servers receive: credential helpers mark it so.</summary>
    internal bool IsRefreshToken => Username == "<token>";

    /// <summary>The value of an Authorization header (RFC 7617).</summary>
    internal string Basic => $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Username}:{Secret}"))}";

    /// <summary>The user name, never the secret.</summary>
    public override string ToString() => $"credentials of {Username}";
}
