using System.Text;

namespace Gateway.Commands.Clients;

/// <summary>
/// The hosts.toml files of containerd, which dockerd reads too with containerd's image store (containerd's docs/hosts.md). containerd reads
/// them at every pull.
/// </summary>
internal static class HostsToml
{
    // containerd 1.6, and 1.7 until its issue 10027 was fixed, cannot read a file without this table. They log that, and ask the registry
    // itself.
    private const string NoOtherHosts = "\n[host]\n";

    /// <summary>The only file that is needed when every registry is asked through the gateway: containerd asks no other host.</summary>
    /// <remarks>
    /// Without <c>capabilities</c> a push of an image of another registry would land in the gateway under a name that no pull finds: pushes
    /// carry no <c>?ns=</c>.
    /// </remarks>
    public static string Closed(ClientView gateway) =>
        $"server = {Toml.Text(gateway.Url)}\ncapabilities = [\"pull\", \"resolve\"]\n{Authority(gateway, "")}{NoOtherHosts}";

    /// <summary>The file for the gateway's own name, for pushes, which <c>_default</c> does not allow.</summary>
    public static string Own(ClientView gateway) => $"server = {Toml.Text(gateway.Url)}\n{Authority(gateway, "")}{NoOtherHosts}";

    /// <summary>A mirror of one registry: containerd asks the registry itself when the gateway answers with an error.</summary>
    public static string Open(ClientView gateway, ClientUpstream upstream)
    {
        var text = new StringBuilder();
        text.Append($"server = {Toml.Text(upstream.Url.GetLeftPart(UriPartial.Authority))}\n\n[host.{Toml.Text(gateway.Url)}]\n");
        text.Append("  capabilities = [\"pull\", \"resolve\"]\n").Append(Authority(gateway, "  "));
        // A gateway that is down must not use up the time that containerd has for a whole pull.
        return text.Append("  dial_timeout = \"2s\"\n").ToString();
    }

    /// <summary>The files below a folder such as <c>/etc/containerd/certs.d</c>.</summary>
    /// <param name="withOwn">Whether to add the file for pushes to the gateway's own name.</param>
    public static IEnumerable<ClientFile> Below(string folder, ClientView gateway, bool enforce, bool withOwn)
    {
        if (enforce)
        {
            yield return new($"{folder}/_default/hosts.toml", Closed(gateway));
        }
        else
        {
            foreach (var upstream in gateway.Upstreams)
            {
                foreach (var name in upstream.Namespaces)
                    yield return new($"{folder}/{name}/hosts.toml", Open(gateway, upstream));
            }
        }
        if (withOwn) yield return new($"{folder}/{gateway.Host}/hosts.toml", Own(gateway));
    }

    private static string Authority(ClientView gateway, string indent) =>
        gateway.Authority is { } file ? $"{indent}ca = {Toml.Text(file)}\n" : "";
}
