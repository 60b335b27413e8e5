using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Gateway.Configuration;

namespace Gateway.Access;

internal enum TokenUse : byte
{
    /// <summary>Sent with requests.</summary>
    Bearer = 1,

    /// <summary>Sent to the token endpoint for another bearer token.</summary>
    Refresh = 2,
}

/// <summary>
/// Creates and reads the gateway's tokens: base64url of use (1 byte), expiry (8, Unix milliseconds), stamp (8), actor and groups (UTF-8, by
/// lines; none for anonymous), HMAC-SHA256 of all that (32). Clients see an opaque string. Without a secret the key is random for each
/// process, and tokens end with it.
/// </summary>
/// <param name="secret">What every gateway has that accepts these tokens; null for this process alone. When it changes, tokens end.</param>
internal sealed class TokenSigner(TimeProvider clock, FollowedSecret? secret = null)
{
    public static readonly TimeSpan BearerLife = TimeSpan.FromMinutes(5);

    public static readonly TimeSpan RefreshLife = TimeSpan.FromHours(12);

    /// <summary>
    /// Maximum length of a token, in characters: an actor's name of about 250 bytes, and the groups of one identity token.
    /// </summary>
    private const int MaxLength = ExternalIssuers.MaxLength;

    private const int ActorAt = 1 + 8 + StampLength;

    private const int StampLength = 8;

    private volatile Derived _derived = new(null, RandomNumberGenerator.GetBytes(32));

    private sealed record Derived(string? Secret, byte[] Key);

    // Of the secret for this one purpose: replicas sign other texts with theirs.
    private byte[] Key()
    {
        var (derived, now) = (_derived, secret?.Value);
        if (now is null || ReferenceEquals(now, derived.Secret)) return derived.Key;
        return (_derived = new(now, HMACSHA256.HashData(Encoding.UTF8.GetBytes(now), "gateway-tokens"u8))).Key;
    }

    /// <summary>A token for this actor (null for anonymous); it becomes invalid when the actor's proof changes.</summary>
    /// <param name="knownBy">The actor's proof: its password's hash, or its issuer's options.</param>
    public string Make(TokenUse use, Identity.Known? who, string? knownBy)
    {
        var key = Key();
        var name = Encoding.UTF8.GetBytes(who is null ? "" : string.Join('\n', [who.Actor, .. who.Groups]));
        var token = new byte[ActorAt + name.Length + HMACSHA256.HashSizeInBytes];
        token[0] = (byte)use;
        var life = use == TokenUse.Bearer ? BearerLife : RefreshLife;
        BinaryPrimitives.WriteInt64BigEndian(token.AsSpan(1), (clock.GetUtcNow() + life).ToUnixTimeMilliseconds());
        Stamp(key, who?.Actor, knownBy, token.AsSpan(9, StampLength));
        name.CopyTo(token, ActorAt);
        HMACSHA256.HashData(key, token.AsSpan(0, ActorAt + name.Length), token.AsSpan(ActorAt + name.Length));
        return Base64Url.EncodeToString(token);
    }

    /// <summary>
    /// Reads a token. Null unless it was created with this key for this use, it has not expired, and the actor still has the same proof.
    /// </summary>
    /// <param name="knownBy">The actor's current proof; null if the actor is unknown.</param>
    public Identity? Read(string text, TokenUse use, Func<Identity.Known, string?> knownBy)
    {
        if (text.Length > MaxLength || !Base64Url.IsValid(text, out var length) || length < ActorAt + HMACSHA256.HashSizeInBytes)
            return null;
        var key = Key();
        var token = Base64Url.DecodeFromChars(text).AsSpan();
        var signed = token[..^HMACSHA256.HashSizeInBytes];
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, signed, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, token[signed.Length..]) || signed[0] != (byte)use) return null;
        if (BinaryPrimitives.ReadInt64BigEndian(signed[1..]) <= clock.GetUtcNow().ToUnixTimeMilliseconds()) return null;
        if (signed.Length == ActorAt) return Identity.Anonymous.Instance;
        var lines = Encoding.UTF8.GetString(signed[ActorAt..]).Split('\n');
        var who = new Identity.Known(lines[0]) { Groups = lines.Length == 1 ? [] : [.. lines.AsSpan(1)] };
        if (knownBy(who) is not { } now) return null;
        Span<byte> stamp = stackalloc byte[StampLength];
        Stamp(key, who.Actor, now, stamp);
        return stamp.SequenceEqual(signed.Slice(9, StampLength)) ? who : null;
    }

    /// <summary>Distinguishes proofs without revealing them.</summary>
    private static void Stamp(byte[] key, string? actor, string? knownBy, Span<byte> stamp)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"stamp:{actor}:{knownBy}"), whole);
        whole[..StampLength].CopyTo(stamp);
    }
}
