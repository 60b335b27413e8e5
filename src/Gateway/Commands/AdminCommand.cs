using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Commands;

/// <summary>
/// Shared parts of the commands that work on a store: they ask the gateway that runs on it, or open the store if none runs.
/// </summary>
internal static class AdminCommand
{
    public static Option<bool> Json() => new("--json") { Description = "Print JSON." };

    /// <summary>A command that asks a running gateway, with the options of all such commands behind its own.</summary>
    /// <param name="own">The command's own arguments and options.</param>
    public static Command Create(string name, string description, Symbol[] own, Func<GatewayCall, Task<int>> run)
    {
        var (asked, json) = (new TargetGateway(), Json());
        var command = new Command(name, description);
        foreach (var symbol in own.Concat([asked.Config, asked.Server, json]))
        {
            if (symbol is Argument argument) command.Add(argument);
            else command.Add((Option)symbol);
        }
        command.SetAction((parsed, cancellationToken) => RunAsync(
            parsed, asked, gateway => run(new(parsed, gateway, parsed.GetValue(json), cancellationToken))));
        return command;
    }

    /// <summary>Runs the command against the target gateway; a failure is one line on standard error and an exit code.</summary>
    /// <param name="offline">What to do with the store itself if no gateway runs on it; null if that is not possible.</param>
    public static async Task<int> RunAsync(
        ParseResult parsed, TargetGateway asked, Func<OperatorClient, Task<int>> online,
        Func<GatewayOptions, Volume, Task<int>>? offline = null, int failure = 1)
    {
        try
        {
            if (await asked.ChooseAsync(parsed) is not var (client, options)) return failure;
            using (client)
            {
                try
                {
                    return await online(client);
                }
                catch (HttpRequestException e) when (OperatorClient.SaysNobodyThere(e))
                {
                    if (offline is null || options is null)
                        throw new IOException($"no gateway answers at {client.Address}; start it, or give another with --server", e);
                }
            }
            // The command never creates the folder: a mistyped path must not become a store.
            var path = options.Storage.Path;
            if (!Directory.Exists(path))
                throw new IOException(
                    $"no gateway answers at {options.Operator.Url}, and the store {path} does not exist; start the gateway");
            await using var volume = await options.Storage.OpenAsync(TimeProvider.System, NullLogger.Instance, CancellationToken.None);
            await volume.Eviction.Counted;
            return await offline(options, volume);
        }
        catch (Exception e) when (e is IOException or HttpRequestException or UnauthorizedAccessException)
        {
            await parsed.InvocationConfiguration.Error.WriteLineAsync($"gateway: {e.Message}");
            return failure;
        }
    }

    /// <summary>The repository of a name if no gateway runs; used without policy and without upstreams.</summary>
    public static RepositoryRouter NamesOnly(GatewayOptions options, Volume volume)
    {
        var evaluations = new Evaluations(new PolicyEngine(null), new(volume.DecisionRing), TimeProvider.System);
        return new(
            options, volume.Repositories, volume.StagedContent, volume.Origins, volume.Content,
            (upstream, name, _) => volume.Repositories.Cached(upstream.Key, name), evaluations);
    }

    /// <summary>Evaluates the content of the store.</summary>
    public static PolicyTrial TrialOf(Volume volume)
    {
        var decisions = new Decisions(volume.DecisionRing);
        var routers = new StoredRouter(volume.Repositories, volume.StagedContent, volume.Origins, volume.Content, decisions);
        return new(routers, volume.Repositories, volume.CachedRepositories, decisions);
    }

    /// <summary>Bytes with a unit, for people.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1024 && unit < units.Length - 1; unit++) value /= 1024;
        return $"{value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture)} {units[unit]}";
    }
}
