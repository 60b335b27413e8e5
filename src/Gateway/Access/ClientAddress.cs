using System.Net;
using System.Net.Sockets;

namespace Gateway.Access;

/// <summary>Whom a client's address stands for, where clients are counted.</summary>
internal static class ClientAddress
{
    // RFC 4291 §2.5.4: one host has all of a /64 at its disposal.
    private const int PrefixBytes = 8;

    /// <summary>The address, of IPv6 its /64; <see cref="IPAddress.None"/> for those without one.</summary>
    public static IPAddress GroupOf(IPAddress? remote)
    {
        var address = remote is null ? IPAddress.None : remote.IsIPv4MappedToIPv6 ? remote.MapToIPv4() : remote;
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(PrefixBytes).Clear();
        return new(bytes);
    }
}
