using System.Net;
using System.Net.Sockets;

namespace Gateway.Upstream;

/// <summary>
/// The addresses that are not part of the public Internet, according to IANA's special-purpose address registries (RFC 6890). They include
/// the metadata services of clouds (169.254.169.254, fd00:ec2::254).
/// </summary>
internal static class PrivateNetworks
{
    private static readonly IPNetwork[] PrivateV4 =
    [
        IPNetwork.Parse("0.0.0.0/8"), // this network, RFC 791
        IPNetwork.Parse("10.0.0.0/8"), // private use, RFC 1918
        IPNetwork.Parse("100.64.0.0/10"), // shared by carriers, RFC 6598
        IPNetwork.Parse("127.0.0.0/8"), // loopback, RFC 1122
        IPNetwork.Parse("169.254.0.0/16"), // link-local, RFC 3927
        IPNetwork.Parse("172.16.0.0/12"), // private use, RFC 1918
        IPNetwork.Parse("192.0.0.0/24"), // protocol assignments, RFC 6890
        IPNetwork.Parse("192.168.0.0/16"), // private use, RFC 1918
        IPNetwork.Parse("198.18.0.0/15"), // benchmarks, RFC 2544
        IPNetwork.Parse("224.0.0.0/3"), // multicast (RFC 5771), reserved (RFC 1112), broadcast
    ];

    /// <summary>
    /// Global unicast (RFC 4291 §2.4). All other addresses are loopback, link-local, unique local, multicast or translated.
    /// </summary>
    private static readonly IPNetwork GlobalV6 = IPNetwork.Parse("2000::/3");

    /// <summary>Networks of global unicast whose addresses contain an IPv4 address.</summary>
    private static readonly IPNetwork[] WrappingV6 =
    [
        IPNetwork.Parse("2001::/32"), // Teredo, RFC 4380
        IPNetwork.Parse("2002::/16"), // 6to4, RFC 3056
    ];

    /// <summary>Whether an address is outside the public Internet. An IPv4 address inside an IPv6 one counts as the IPv4 address.</summary>
    public static bool Contain(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetwork
            ? Any(PrivateV4, address)
            : !GlobalV6.Contains(address) || Any(WrappingV6, address);
    }

    private static bool Any(IPNetwork[] networks, IPAddress address) => Array.Exists(networks, network => network.Contains(address));
}
