using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Commands.Doctor;
using Gateway.Commands.Policy;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Upstream;
using RouteOptions = Gateway.Configuration.RouteOptions;

namespace Gateway.Commands;

/// <summary><c>gateway verify</c>: reads the configuration as <c>serve</c> does, and prints its effect.</summary>
internal static partial class VerifyCommand
{
    public static Command Create()
    {
        var config = ConfigurationFile.Option();
        var json = AdminCommand.Json();
        var command = new Command("verify", "Checks the configuration and prints its effect; mistakes go to standard error.")
        {
            config, json,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var asJson = parsed.GetValue(json);
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), error);
            foreach (var doubt in PolicyLintCommand.Doubts(loaded)) await error.WriteLineAsync($"warning: {doubt}");
            if (asJson) await output.WriteLineAsync(JsonSerializer.Serialize(Describe(loaded), VerifyJson.Default.Plan));
            else if (loaded.Options is not null) await WriteAsync(Describe(loaded), output);
            if (loaded.Options is not { } options) return 1;
            // Redis is asked for real; a gateway starts without it, so this is no mistake.
            foreach (var finding in await ReplicaChecks.RunAsync(options))
            {
                if (finding.Level != Level.Ok)
                    await error.WriteLineAsync($"warning: replicas.redis {finding.About}: {finding.Problem}; {finding.Fix}");
                else if (!asJson) await output.WriteLineAsync($"redis          {finding.About}: {finding.Problem}");
            }
            return await ProbeBucketAsync(options, asJson ? null : output, error, cancellationToken) ? 0 : 1;
        });
        return command;
    }

    /// <summary>Writes to the bucket for real. False if the gateway would not start with its store.</summary>
    /// <param name="output">Gets one line about a bucket that passed; null for none.</param>
    private static async Task<bool> ProbeBucketAsync(
        GatewayOptions options, TextWriter? output, TextWriter error, CancellationToken cancellationToken)
    {
        var isUsable = true;
        foreach (var found in await BucketChecks.RunAsync(options, cancellationToken))
        {
            if (found.Level == Level.Ok)
            {
                if (output is not null) await output.WriteLineAsync($"bucket         {found.About}: {found.Problem}");
                continue;
            }
            isUsable &= found.Code != "BUCKET_REFUSED";
            await error.WriteLineAsync($"{(isUsable ? "warning: " : "")}storage.s3: {found.About}: {found.Problem}; {found.Fix}");
        }
        return isUsable;
    }

    private static async Task WriteAsync(Plan plan, TextWriter output)
    {
        await output.WriteLineAsync($"configuration  {plan.File ?? "none: everything has its default"}");
        foreach (var listener in plan.Listen) await output.WriteLineAsync($"listen         {listener}");
        await output.WriteLineAsync($"operator       {plan.Operator}");
        await output.WriteLineAsync($"storage        {plan.Storage}");
        foreach (var (name, urls, namespaces) in plan.Upstreams)
            await output.WriteLineAsync($"upstream       {name}  {string.Join(" ", urls)}  ?ns={string.Join("|", namespaces)}");
        foreach (var route in plan.Routes)
            await output.WriteLineAsync($"route          {(route.Prefix.Length == 0 ? "(the rest)" : route.Prefix)}  {route.Target}");
        if (plan.Replicas is not null) await output.WriteLineAsync($"replicas       {plan.Replicas}");
        await output.WriteLineAsync($"access         {plan.Access}");
        await output.WriteLineAsync($"policy         {plan.Policy}");
    }

    private static Plan Describe(LoadedConfiguration loaded)
    {
        var options = loaded.Options ?? new();
        return new(
            loaded.Options is not null,
            loaded.Path,
            [.. loaded.Mistakes.Select(mistake => mistake.ToString())],
            [.. options.Listen.Select(listener => listener.PullOnly ? $"{listener.Url} (pull-only)" : listener.Url.ToString())],
            options.Operator.TokenFile is null ? options.Operator.Url.ToString() : $"{options.Operator.Url} (requires a token)",
            options.Storage.S3?.Store is { } bucket
                ? $"{options.Storage.Path}, and bucket {bucket.Bucket} at {bucket.Address} for what clients push"
                : options.Storage.Path,
            [.. options.Upstreams.Values.Select(Describe)],
            [.. options.Routes.Select(Describe)],
            options.Access is { } access ? $"{access.Rules.Length} rules" : "open to everyone who can reach a listener",
            options.Policy is { } policy ? Describe(policy) : "none: everything is admitted")
        {
            Replicas = options.Replicas is { } replicas ? Describe(replicas) : null,
        };
    }

    private static string Describe(ReplicaOptions replicas) => replicas.Redis is { } redis
        ? $"{replicas.Address}, with Redis {string.Join(", ", redis.Addresses)}"
        : $"{replicas.Address}, with {replicas.Peers.Length} peers";

    // An allowlist that no rule requires applies everywhere, so "0 rules" alone would hide it.
    private static string Describe(PolicyOptions policy)
    {
        var types = policy.ArtifactTypes is null ? "" : policy.Rules.Any(static rule => rule.Require.ArtifactTypes)
            ? ", artifact types where a rule requires them"
            : ", artifact types everywhere";
        return $"{(policy.Default == Outcome.Deny ? "deny" : "allow")} by default, {policy.Rules.Length} rules{types}";
    }

    private static PlannedUpstream Describe(UpstreamOptions upstream) =>
        new(upstream.Key, [.. upstream.Urls.Select(url => url.ToString())], [.. upstream.Namespaces]);

    private static PlannedRoute Describe(RouteOptions route) => new(route.Prefix, route switch
    {
        { Upstream: null } => "built-in storage",
        { Forwards: false } => $"from {route.Upstream}",
        { ForwardsLater: false } => $"from {route.Upstream}, pushes are forwarded to it",
        _ => $"from {route.Upstream}, pushes are forwarded to it asynchronously",
    });

    internal sealed record PlannedUpstream(string Name, string[] Urls, string[] Namespaces);

    internal sealed record PlannedRoute(string Prefix, string Target);

    /// <param name="File">Null for none.</param>
    internal sealed record Plan(
        bool Valid, string? File, string[] Mistakes, string[] Listen, string Operator, string Storage,
        PlannedUpstream[] Upstreams, PlannedRoute[] Routes, string Access, string Policy)
    {
        /// <summary>Null if the gateway is alone.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? Replicas { get; init; }
    }

    [JsonSerializable(typeof(Plan))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class VerifyJson : JsonSerializerContext;
}
