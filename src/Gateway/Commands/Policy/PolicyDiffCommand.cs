using System.CommandLine;
using System.Text.Json;
using Gateway.Operations;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy diff</c>: which stored tags another policy would judge otherwise, before it is in force.</summary>
internal static class PolicyDiffCommand
{
    public static Command Create()
    {
        var old = new Argument<string>("OLD") { Description = "A file with the policy as it is." };
        var @new = new Argument<string>("NEW") { Description = "A file with the policy as it would be." };
        var corpus = new Option<string>("--corpus")
        {
            Description = "What both are asked about: store, everything stored here.", DefaultValueFactory = _ => "store",
        };
        corpus.AcceptOnlyFromAmong("store");
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var command = new Command("diff", "Tells which stored tags would be judged otherwise under another policy; decides nothing.")
        {
            old, @new, corpus, asked.Config, asked.Server, json,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var invocation = parsed.InvocationConfiguration;
            var before = await PolicyFile.ReadAsync(parsed.GetRequiredValue(old), invocation.Error);
            var after = await PolicyFile.ReadAsync(parsed.GetRequiredValue(@new), invocation.Error);
            if (before is null || after is null) return PolicyExit.Error;
            var comparison = new PolicyComparison(before, after);
            return await AdminCommand.RunAsync(
                parsed, asked,
                gateway => PrintAsync(invocation, parsed.GetValue(json), gateway.StreamAsync(
                    PolicyTrial.DiffPath, comparison, AdminJson.Default.PolicyComparison, AdminJson.Default.PolicyChange,
                    cancellationToken)),
                (options, volume) => PrintAsync(
                    invocation, parsed.GetValue(json), PolicyTrial.DiffAsync(options, volume, comparison, cancellationToken)),
                PolicyExit.Error);
        });
        return command;
    }

    // A line for each change, as it is found. What is hidden until it is signed is refused to whoever pulls.
    private static async Task<int> PrintAsync(InvocationConfiguration invocation, bool asJson, IAsyncEnumerable<PolicyChange> changes)
    {
        var code = PolicyExit.Allow;
        await foreach (var change in changes)
        {
            var (before, after) = (Enum.Parse<Outcome>(change.Old, ignoreCase: true), Enum.Parse<Outcome>(change.New, ignoreCase: true));
            var worse = before <= Outcome.Warn && after > Outcome.Warn;
            code = worse || code == PolicyExit.Deny ? PolicyExit.Deny : PolicyExit.Warn;
            if (asJson)
            {
                await invocation.Output.WriteLineAsync(JsonSerializer.Serialize(change, AdminJson.Default.PolicyChange));
                continue;
            }
            await invocation.Output.WriteLineAsync($"{change.Repository}:{change.Tag}  {change.Old} -> {change.New}  {change.Digest}");
            foreach (var reason in change.Reasons) await invocation.Output.WriteLineAsync($"  {reason.Code}: {reason.Message}");
        }
        return code;
    }
}
