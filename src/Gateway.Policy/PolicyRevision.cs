using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Policy;

/// <summary>
/// Identifies a policy by its content. The canonical form is the JSON of the checked options with keys in ordinal order, so that a new
/// option of <see cref="PolicyOptions"/> is always included.
/// </summary>
internal static class PolicyRevision
{
    // Prefix of the policy: raise it when the engine evaluates the same policy differently, so that stored verdicts are replaced.
    private static ReadOnlySpan<byte> Form => "gateway.policy/3\n"u8;

    private static readonly JsonSerializerOptions Json = new() { Converters = { new DigestWriter(), new RootWriter() } };

    /// <summary>First 8 bytes of SHA-256 over the canonical form, never 0 (0 means that there is no policy).</summary>
    public static ulong Of(PolicyOptions policy)
    {
        var types = policy.ArtifactTypes;
        var allowed = types?.Allowed?.WithComparers(StringComparer.Ordinal);
        return OfJson(policy with { ArtifactTypes = types is null ? null : types with { Allowed = allowed } });
    }

    /// <summary>The same for only the policy's trust.</summary>
    public static ulong Of(TrustOptions trust) => OfJson(trust);

    private static ulong OfJson<T>(T options)
    {
        var hash = SHA256.HashData([.. Form, .. JsonSerializer.SerializeToUtf8Bytes(options, Json)]);
        return BinaryPrimitives.ReadUInt64BigEndian(hash) is not 0 and var revision ? revision : 1;
    }

    private sealed class DigestWriter : JsonConverter<Digest>
    {
        public override Digest Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, Digest value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }

    // A root is identified by the bytes of its file.
    private sealed class RootWriter : JsonConverter<TrustedRoot>
    {
        public override TrustedRoot Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, TrustedRoot value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Digest.ToString());
    }
}
