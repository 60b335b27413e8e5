using System.CommandLine;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>
/// <c>gateway health</c>: what <c>/readyz</c> of the gateway with this configuration says, for containers, in which there is no curl.
/// </summary>
internal static class HealthCommand
{
    // Chosen: the checks answer from memory.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);

    public static Command Create()
    {
        var config = ConfigurationFile.Option();
        var command = new Command("health", "Asks the running gateway whether it is ready; ends with 0 if so, with 1 if not.") { config };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            // A file with a mistake is not in force: the gateway that runs has kept the one before, and is no less healthy for it.
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), error);
            var options = loaded.Options ?? new GatewayOptions();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(Limit);
            try
            {
                using var client = new OperatorClient(options);
                var (isReady, says) = await client.ReadyAsync(limit.Token);
                await output.WriteLineAsync(says);
                return isReady ? 0 : 1;
            }
            catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
            {
                await error.WriteLineAsync($"gateway: {new Uri(options.Operator.Url, "/readyz?verbose")} does not answer: {e.Message}");
                return 1;
            }
        });
        return command;
    }
}
