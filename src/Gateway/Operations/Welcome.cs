using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Operations;

/// <summary>
/// The text at the start: version, configuration, data folder, addresses, and three commands to try that work with the configuration in
/// force.
/// </summary>
internal static class Welcome
{
    private const string NoFile = "none, every setting has its default; create gateway.yaml here, or give a file with --config";

    /// <param name="listening">The addresses in use, in the order of <c>listen</c>.</param>
    /// <param name="operatorAddress">The address of the operator port.</param>
    /// <param name="inContainer">Whether a loopback address is the container's own, which cannot be reached from outside.</param>
    /// <param name="configuration">The configuration file; null for none.</param>
    public static string Text(
        GatewayOptions options, IReadOnlyList<Uri> listening, Uri operatorAddress, bool inContainer = false, string version = "",
        string? configuration = null)
    {
        var host = Authority(listening[0]);
        var text = new StringBuilder();
        text.AppendLine($"gateway {version}".TrimEnd());
        text.AppendLine($"configuration: {configuration ?? NoFile}");
        var bucket = options.Storage.S3?.Store is { } store ? $", and bucket {store.Bucket} at {store.Address} for what clients push" : "";
        text.AppendLine($"data: {options.Storage.Path}{bucket}");
        foreach (var address in listening) text.AppendLine($"gateway listens on {address.GetLeftPart(UriPartial.Authority)}");
        text.AppendLine($"for the operator on {operatorAddress.GetLeftPart(UriPartial.Authority)}").AppendLine("try:");
        text.AppendLine($"  {PullCommand(options, host)}");
        text.AppendLine($"  {PushCommand(options, host)}");
        var token = options.Operator.TokenFile is { } file ? $"-H \"Authorization: Bearer $(cat {file})\" " : "";
        return text.Append(
            inContainer && operatorAddress.IsLoopback
                ? "  docker exec <container> gateway stats"
                : $"  curl -s {token}{Base(operatorAddress)}/metrics").ToString();
    }

    private static string PullCommand(GatewayOptions options, string host)
    {
        if (Pulled(options, host) is { } image) return $"docker pull {image}";
        return options.Routes.FirstOrDefault(route => route.Upstream is not null && route.Hosts.IsEmpty) is { } route
            ? $"docker pull {host}/{Below(route.Prefix)}<repository>:<tag>"
            : options.Routes.FirstOrDefault(route => route.Upstream is not null) is { Hosts: [var name, ..] }
            ? $"docker pull {name}/<repository>:<tag>"
            : "gateway schema      # no upstream yet: \"upstreams: { docker.io: {} }\" in gateway.yaml adds one to pull through";
    }

    // Chooses an upstream with known images, so that the command can be run unchanged.
    private static string? Pulled(GatewayOptions options, string host) =>
        options.Routes.FirstOrDefault(
            route => route.Upstream is not null && route.Hosts.IsEmpty && options.Upstreams[route.Upstream].Library) is { } hub
            ? $"{host}/{Below(hub.Prefix)}alpine:latest"
            : null;

    private static string Below(string prefix) => prefix.Length > 0 ? prefix + "/" : "";

    private static string PushCommand(GatewayOptions options, string host)
    {
        if (options.Routes.FirstOrDefault(route => (route.Upstream is null || route.Forwards) && route.Hosts.IsEmpty) is not { } route)
            return $"curl -s {host}/v2/_catalog    # pushes are refused; to accept, add {{ prefix: \"\", storage: built-in }} to routes";
        var repository = $"{Below(route.Prefix)}alpine";
        var pushers = Pushers(options.Access, repository);
        if (pushers.Count == 0) return $"curl -s {host}/v2/_catalog      # no access rule allows pushing to {repository}";
        var name = $"{host}/{repository}:latest";
        var login = pushers.Contains(Caller.Anonymous) ? "" : $"docker login {host} && ";
        return $"{login}docker tag {Pulled(options, host) ?? "alpine:latest"} {name} && docker push {name}";
    }

    /// <summary>The actors of the rules that allow pushing there; without rules, anonymous.</summary>
    private static HashSet<string> Pushers(AccessOptions? access, string repository) => access is null
        ? [Caller.Anonymous]
        : [.. access.Rules
            .Where(rule => rule.Actions.HasFlag(AccessActions.Push) && rule.Repositories.Any(pattern => Glob.IsMatch(pattern, repository)))
            .SelectMany(rule => rule.Actors)];

    private static string Base(Uri address) => $"{address.Scheme}://{Authority(address)}";

    // Replaces an address that means "any" with localhost, because clients cannot connect to it.
    private static string Authority(Uri address) => address.Host is "0.0.0.0" or "[::]" ? $"localhost:{address.Port}" : address.Authority;
}
