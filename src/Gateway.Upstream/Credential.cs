using System.Security.Cryptography;
using System.Text;

namespace Gateway.Upstream;

/// <summary>A user name and a secret as they are now. Its <see cref="Id"/> changes with the secret and tells nothing about it.</summary>
public sealed class Credential
{
    // New in each process, so that an id is of no use outside.
    private static readonly byte[] Salt = RandomNumberGenerator.GetBytes(32);

    public Credential(string username, string secret)
    {
        (Username, Secret) = (username, secret);
        Id = Convert.ToHexString(HMACSHA256.HashData(Salt, Encoding.UTF8.GetBytes($"{username}\0{secret}")));
    }

    public string Username { get; }

    public string Secret { get; }

    public string Id { get; }

    /// <summary>Whether the secret is a refresh token, for token servers only: credential helpers' name <c>&lt;token&gt;</c>.</summary>
    public bool IsRefreshToken => Username == "<token>";

    /// <summary>Value of an Authorization header (RFC 7617).</summary>
    public string Basic => $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Username}:{Secret}"))}";

    /// <summary>Says who, never the secret.</summary>
    public override string ToString() => $"credentials of {Username}";
}
