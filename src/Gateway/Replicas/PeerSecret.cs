using System.Security.Cryptography;
using System.Text;
using Gateway.Configuration;

namespace Gateway.Replicas;

/// <summary>
/// The secret that all replicas of a set have. It is never sent: it signs requests between replicas, and what they write to Redis for each
/// other. It is read again within a second of a change.
/// </summary>
internal sealed class PeerSecret(string file, TimeProvider clock, ILogger<PeerSecret> logger)
{
    private readonly FollowedSecret _secret = new(file, clock, why => Log.NoSecret(logger, why));

    // Without any secret yet, nothing that this replica signs is accepted, and nothing that it is sent.
    private readonly byte[] _none = RandomNumberGenerator.GetBytes(32);

    /// <summary>The signature of a text for one purpose, in hexadecimal.</summary>
    /// <param name="purpose">Keeps a signature for one purpose from being one for another.</param>
    public string Sign(string purpose, string text) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Secret(), Encoding.UTF8.GetBytes($"gateway-{purpose}\n{text}")));

    /// <summary>Whether this is the signature of the text; takes the same time whatever it is.</summary>
    public bool IsSigned(string purpose, string text, string? signature) =>
        signature is not null && CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(Sign(purpose, text)), Encoding.UTF8.GetBytes(signature));

    private byte[] Secret() => _secret.Value is { } secret ? Encoding.UTF8.GetBytes(secret) : _none;
}
