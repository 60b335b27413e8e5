using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Access;

/// <summary>What a token is good for.</summary>
internal enum TokenUse : byte
{
    /// <summary>Shown with requests.</summary>
    Bearer = 1,

    /// <summary>Shown to the token endpoint for another bearer token.</summary>
    Refresh = 2,
}

/// <summary>
/// Makes and reads our tokens: base64url of use (1 byte), expiry (8, Unix milliseconds), stamp (8), actor (UTF-8; none for anonymous),
/// HMAC-SHA256 of all that (32). Clients see an opaque string. The key is random for each process: tokens end with it.
/// </summary>
internal sealed class TokenSigner(TimeProvider clock)
{
    public static readonly TimeSpan BearerLife = TimeSpan.FromMinutes(5);

    public static readonly TimeSpan RefreshLife = TimeSpan.FromHours(12);

    /// <summary>Longest token read, in characters: an actor's name of some 250 bytes.</summary>
    private const int MaxLength = 400;

    private const int ActorAt = 1 + 8 + StampLength;

    private const int StampLength = 8;

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    /// <summary>A token for this actor (null for anonymous); it dies when his password's hash changes.</summary>
    public string Make(TokenUse use, string? actor, string? hash)
    {
        var name = Encoding.UTF8.GetBytes(actor ?? "");
        var token = new byte[ActorAt + name.Length + HMACSHA256.HashSizeInBytes];
        token[0] = (byte)use;
        var life = use == TokenUse.Bearer ? BearerLife : RefreshLife;
        BinaryPrimitives.WriteInt64BigEndian(token.AsSpan(1), (clock.GetUtcNow() + life).ToUnixTimeMilliseconds());
        Stamp(actor, hash, token.AsSpan(9, StampLength));
        name.CopyTo(token, ActorAt);
        HMACSHA256.HashData(_key, token.AsSpan(0, ActorAt + name.Length), token.AsSpan(ActorAt + name.Length));
        return Base64Url.EncodeToString(token);
    }

    /// <summary>
    /// Reads a token. False unless we made it for this use, it has not expired, and the actor's hash is still the one it was made under.
    /// </summary>
    /// <param name="hashOf">An actor's hash now; null when there is no such account.</param>
    /// <param name="actor">Null for anonymous.</param>
    public bool TryRead(string text, TokenUse use, Func<string, string?> hashOf, out string? actor)
    {
        actor = null;
        if (text.Length > MaxLength || !Base64Url.IsValid(text, out var length) || length < ActorAt + HMACSHA256.HashSizeInBytes)
            return false;
        var token = Base64Url.DecodeFromChars(text).AsSpan();
        var signed = token[..^HMACSHA256.HashSizeInBytes];
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, signed, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, token[signed.Length..]) || signed[0] != (byte)use) return false;
        if (BinaryPrimitives.ReadInt64BigEndian(signed[1..]) <= clock.GetUtcNow().ToUnixTimeMilliseconds()) return false;
        if (signed.Length == ActorAt) return true;
        actor = Encoding.UTF8.GetString(signed[ActorAt..]);
        if (hashOf(actor) is not { } hash) return false;
        Span<byte> stamp = stackalloc byte[StampLength];
        Stamp(actor, hash, stamp);
        return stamp.SequenceEqual(signed.Slice(9, StampLength));
    }

    /// <summary>Tells one password's hash from another without showing either.</summary>
    private void Stamp(string? actor, string? hash, Span<byte> stamp)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes($"stamp:{actor}:{hash}"), whole);
        whole[..StampLength].CopyTo(stamp);
    }
}
