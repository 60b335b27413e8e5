using System.CommandLine;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy explain</c>: the policy's verdict on stored content, with the reasons.</summary>
internal static class PolicyExplainCommand
{
    public static Command Create()
    {
        var reference = new Argument<string>("REFERENCE")
        {
            Description = "repository:tag or repository@digest, by default the tag latest; or the id of a decision, d-….",
        };
        var stage = new Option<string>("--stage")
        {
            Description = "push, proxyFetch, tag, pull or promote.", DefaultValueFactory = _ => "pull",
        };
        var actor = new Option<string?>("--as") { Description = "Also show the rights of this account there.", HelpName = "USER" };
        var policy = new Option<string?>("--policy")
        {
            Description = "File with another policy than the one in force.", HelpName = "FILE",
        };
        var at = new Option<string?>("--at") { Description = "Evaluate at this day or moment, such as 2026-12-31.", HelpName = "TIME" };
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var command = new Command("explain", "Shows the policy's verdict on stored content, and why; changes nothing.")
        {
            reference, stage, actor, policy, at, asked.Config, asked.Server, json,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var invocation = parsed.InvocationConfiguration;
            var file = parsed.GetValue(policy);
            var text = file is null ? null : await PolicyFile.ReadAsync(file, invocation.Error);
            var moment = await MomentAsync(parsed.GetValue(at), invocation.Error);
            if ((file is not null && text is null) || moment == default(DateTimeOffset)) return PolicyExit.Error;
            var question = new PolicyQuestion(
                parsed.GetRequiredValue(reference), parsed.GetValue(stage)!, parsed.GetValue(actor), moment, text);
            return await AdminCommand.RunAsync(
                parsed, asked,
                async gateway => await PrintAsync(invocation, parsed.GetValue(json), await gateway.PostAsync(
                    AdminCalls.Explain, question, cancellationToken)),
                async (options, volume) => await PrintAsync(
                    invocation, parsed.GetValue(json),
                    await AdminCommand.TrialOf(volume).ExplainAsync(options, question, cancellationToken)),
                PolicyExit.Error);
        });
        return command;
    }

    // Null for now; the default value for an invalid moment.
    private static async Task<DateTimeOffset?> MomentAsync(string? text, TextWriter error)
    {
        if (text is null) return null;
        var reading = new Reading(new("--at", 0, 0), Directory.GetCurrentDirectory());
        ExceptionSchema.Moment.TryRead(Nodes.Text(text, new("--at", 0, 0)), "", reading, out var moment);
        foreach (var mistake in reading.Mistakes) await error.WriteLineAsync(mistake.ToString());
        return moment;
    }

    private static async Task<int> PrintAsync(InvocationConfiguration invocation, bool asJson, PolicyExplained explained)
    {
        if (explained.Decision is { } decision)
        {
            using var record = JsonDocument.Parse(decision);
            if (asJson) await invocation.Output.WriteLineAsync(decision);
            else foreach (var line in RecordedLines.Of(record.RootElement)) await invocation.Output.WriteLineAsync(line);
            return PolicyExit.Of(Enum.Parse<Outcome>(record.RootElement.GetProperty("effective").GetString()!, ignoreCase: true));
        }
        if (explained.Answer is not { } answer)
        {
            await invocation.Error.WriteLineAsync($"gateway: {explained.Problem}");
            return PolicyExit.Error;
        }
        if (asJson) await invocation.Output.WriteLineAsync(JsonSerializer.Serialize(answer, AdminJson.Default.PolicyAnswer));
        else foreach (var line in Lines(answer)) await invocation.Output.WriteLineAsync(line);
        return PolicyExit.Of(Enum.Parse<Outcome>(answer.Effective, ignoreCase: true));
    }

    private static IEnumerable<string> Lines(PolicyAnswer answer)
    {
        yield return $"reference   {answer.Repository} {answer.Reference}";
        yield return $"digest      {answer.Digest}";
        if (answer.State == "pending")
            yield return $"state       pending until {Moments.Text(answer.Expires!.Value)}; live: {answer.Live ?? "nothing"}";
        if (answer.Rights is { } rights)
            yield return $"as          {rights.Actor}: {May(rights.MayPull)} pull, {May(rights.MayPush)} push";
        yield return $"asked       at stage {answer.Stage}, {Moments.Text(answer.Time)}, policy {answer.PolicyRevision}";
        var changed = answer.Outcome == answer.Effective ? "" : $" ({answer.Outcome} but for modes and exceptions)";
        yield return $"outcome     {answer.Effective}{changed}";
        foreach (var rule in answer.Rules)
        {
            yield return $"rule        {rule.Id} ({rule.MatchedBy}): {rule.Effective}";
            foreach (var reason in rule.Reasons) yield return $"            {reason.Code}: {reason.Message}";
            if (rule.Fix.Length > 0 && !rule.Reasons.Any(reason => reason.Message.Contains(rule.Fix, StringComparison.Ordinal)))
                yield return $"            {rule.Fix}";
            foreach (var age in rule.Ages)
                yield return $"            age of {age.Manifest} from {Moments.Text(age.SignedAt)}, by the {age.By} in {age.Evidence}";
        }
        foreach (var seen in answer.Evidence)
        {
            var counted = seen.Verified ? $"counts for {seen.Authority}" : seen.Code;
            yield return $"evidence    {seen.Digest}: {seen.Kind} ({seen.Format}), {counted}: {seen.Why}";
        }
        foreach (var exception in answer.ExceptionsUsed) yield return $"exception   {exception}";
        if (answer.Until is { } until) yield return $"until       {Moments.Text(until)}, all else being equal";
    }

    private static string May(bool may) => may ? "can" : "cannot";
}
