using System.Text.Json;

namespace Gateway.Commands.Policy;

/// <summary>A recorded decision (docs/policy.md, "Decisions") as lines for a terminal, in the format of <c>policy explain</c>.</summary>
internal static class RecordedLines
{
    public static IEnumerable<string> Of(JsonElement decision)
    {
        yield return $"decision    {Text(decision, "id")}, {Text(decision, "time")}, for {Text(decision, "actor")}";
        yield return $"reference   {Text(decision, "repository")} {Text(decision, "reference")}";
        yield return $"digest      {Text(decision, "digest")}";
        yield return $"asked       at stage {Text(decision, "stage")}, policy {Text(decision, "policyRevision")}";
        yield return $"outcome     {Text(decision, "effective")}";
        yield return $"told        {Text(decision, "message")}";
        var reasons = decision.GetProperty("reasons").EnumerateArray().ToLookup(static reason => Text(reason, "rule"));
        var rules = decision.GetProperty("rules").EnumerateArray().ToArray();
        foreach (var rule in rules)
        {
            yield return $"rule        {Text(rule, "id")} ({Text(rule, "matchedBy")}): {Text(rule, "effective")}";
            foreach (var reason in reasons[Text(rule, "id")]) yield return Line(reason);
        }
        // Refusals of the gate itself belong to no rule of the file.
        var others = reasons.Where(of => !rules.Any(rule => Text(rule, "id") == of.Key));
        foreach (var reason in others.SelectMany(static of => of)) yield return Line(reason);
        foreach (var seen in decision.GetProperty("evidence").EnumerateArray())
        {
            var note = seen.GetProperty("verified").GetBoolean() ? $"counts for {Text(seen, "authority")}" : Text(seen, "code");
            yield return $"evidence    {Text(seen, "digest")}: {Text(seen, "kind")} ({Text(seen, "format")}), {note}: {Text(seen, "why")}";
        }
        foreach (var exception in decision.GetProperty("exceptionsUsed").EnumerateArray())
            yield return $"exception   {exception.GetString()}";
    }

    private static string Line(JsonElement reason) => $"            {Text(reason, "code")}: {Text(reason, "message")}";

    private static string Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
}
