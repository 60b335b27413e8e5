using System.Security.Cryptography;
using Gateway.Configuration;

namespace Gateway.Replicas;

/// <summary>This replica, as the others know it.</summary>
internal sealed class ReplicaSelf(ReplicaOptions options)
{
    /// <summary>The process: random, so that a lease of an earlier process of the same address is told apart.</summary>
    public string Id { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    /// <summary>The address by which other replicas reach this one; final once the listener is bound.</summary>
    public Uri Url { get; private set; } = options.Address;

    /// <summary>Whether another replica can have this address: all replicas of a set use http, or all use https.</summary>
    public bool IsOfSameScheme(Uri url) =>
        (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps) && url.Scheme == Url.Scheme;

    /// <summary>Takes over the real port of a listener whose configured port is 0.</summary>
    public void Bound(Uri url)
    {
        if (options.Advertise is null) Url = url;
    }
}
