using System.Text.Json.Serialization;

namespace Gateway.Replicas;

/// <summary>
/// What a replica says about itself to the others, with each beat. It is for people and for confirmations; nothing is decided by it.
/// </summary>
/// <param name="Policy">The revision of its policy, in hexadecimal; "none" without a policy.</param>
/// <param name="News">The last entry of the news that it carried out; empty if it has read none.</param>
internal sealed record ReplicaAbout(string Policy, string News)
{
    /// <summary>Redis' time when it said this, in milliseconds.</summary>
    public long At { get; init; }

    /// <summary>Time since it had carried out all news, in milliseconds.</summary>
    public long NewsLag { get; init; }

    /// <summary>By how much its clock is before that of Redis, in milliseconds; negative if behind.</summary>
    public long ClockSkew { get; init; }

    /// <summary>The time of Redis' last answer to it, in microseconds.</summary>
    public long RedisTime { get; init; }

    /// <summary>Purges that were told there and that some replica has not confirmed.</summary>
    public int Unconfirmed { get; init; }

    /// <summary>Fetches that it leads, that follow another replica, and that it does alone.</summary>
    public int Leading { get; init; }

    /// <inheritdoc cref="Leading"/>
    public int Following { get; init; }

    /// <inheritdoc cref="Leading"/>
    public int Alone { get; init; }

    /// <summary>Some of the fetches that it leads or does alone.</summary>
    public IReadOnlyList<LedFetch> Leads { get; init; } = [];
}

/// <summary>A fetch from an upstream that other replicas can follow.</summary>
/// <param name="Length">Bytes of the content; null when the upstream has not said it.</param>
/// <param name="Position">Bytes that were received and checked.</param>
internal sealed record LedFetch(string Digest, long? Length, long Position);

[JsonSerializable(typeof(ReplicaAbout))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
internal sealed partial class AboutJson : JsonSerializerContext;
