using System.Net;
using System.Net.Sockets;

namespace Gateway.Access;

/// <summary>The address by which a client is counted.</summary>
internal static class ClientAddress
{
    // RFC 4291 §2.5.4: one host can use a whole /64.
    private const int PrefixBytes = 8;

    /// <summary>The address, or the /64 of an IPv6 address; <see cref="IPAddress.None"/> for connections without one.</summary>
    public static IPAddress GroupOf(IPAddress? remote)
    {
        var address = remote is null ? IPAddress.None : remote.IsIPv4MappedToIPv6 ? remote.MapToIPv4() : remote;
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(PrefixBytes).Clear();
        return new(bytes);
    }
}
