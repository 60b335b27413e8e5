using System.CommandLine;
using System.Text.Json;
using Gateway.Operations;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy diff</c>: the stored tags that another policy would evaluate differently.</summary>
internal static class PolicyDiffCommand
{
    public static Command Create()
    {
        var old = new Argument<string>("OLD") { Description = "File with the current policy." };
        var @new = new Argument<string>("NEW") { Description = "File with the new policy." };
        var corpus = new Option<string>("--corpus")
        {
            Description = "The content to evaluate: store, for everything stored here.", DefaultValueFactory = _ => "store",
        };
        corpus.AcceptOnlyFromAmong("store");
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var command = new Command("diff", "Shows which stored tags another policy would evaluate differently; changes nothing.")
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
                    AdminCalls.Diff, comparison, cancellationToken)),
                (options, volume) => PrintAsync(
                    invocation, parsed.GetValue(json), AdminCommand.TrialOf(volume).DiffAsync(options, comparison, cancellationToken)),
                PolicyExit.Error);
        });
        return command;
    }

    // A line for each change as it is found. Content that is held until it is signed counts as refused, because pullers cannot get it.
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
