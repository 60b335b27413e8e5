using System.CommandLine;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>
/// <c>gateway health</c>: prints the result of <c>/readyz</c> of the gateway with this configuration, for containers without curl.
/// </summary>
internal static class HealthCommand
{
    // Long enough: the checks answer from memory.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);

    public static Command Create()
    {
        var asked = new TargetGateway();
        var command = new Command("health", "Asks the running gateway whether it is ready; exits with 0 if it is, otherwise with 1.")
        {
            asked.Config, asked.Server,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(Limit);
            Uri? address = null;
            try
            {
                // A file with a mistake is not in force: the running gateway keeps the previous configuration and is healthy.
                using var client = (await asked.ChooseAsync(parsed, despiteMistakes: true))?.Client
                    ?? OperatorClient.Of(new GatewayOptions());
                address = client.Address;
                var (isReady, says) = await client.ReadyAsync(limit.Token);
                await output.WriteLineAsync(says);
                return isReady ? 0 : 1;
            }
            catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
            {
                var where = address is null ? "" : $"{new Uri(address, "/readyz?verbose")} does not answer: ";
                await error.WriteLineAsync($"gateway: {where}{e.Message}");
                return 1;
            }
        });
        return command;
    }
}
