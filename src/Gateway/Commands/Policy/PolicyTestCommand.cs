using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy test</c>: evaluates images in files, and compares the outcomes with the expected ones.</summary>
internal static partial class PolicyTestCommand
{
    public static Command Create()
    {
        var cases = new Argument<string>("CASES") { Description = "File of cases (docs/cli.md)." };
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var command = new Command("test", "Evaluates images in files by the policy, and reports unexpected outcomes.")
        {
            cases, config, json,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), error);
            var mistakes = new List<ConfigurationMistake>();
            var read = PolicyCases.Read(parsed.GetRequiredValue(cases), mistakes);
            foreach (var mistake in mistakes) await error.WriteLineAsync(mistake.ToString());
            if (loaded.Options is not { } options || mistakes.Count > 0) return PolicyExit.Error;
            var engine = new PolicyEngine(options.Policy);
            var results = new List<Result>();
            foreach (var one in read) results.Add(await RunAsync(engine, one, cancellationToken));
            if (parsed.GetValue(json)) await output.WriteLineAsync(JsonSerializer.Serialize(results, TestJson.Default.ListResult));
            else await WriteAsync(results, output);
            return results.Any(static result => result.Problem is not null) ? PolicyExit.Error
                : results.All(static result => result.Passed) ? PolicyExit.Allow : PolicyExit.Deny;
        });
        return command;
    }

    private static async Task<Result> RunAsync(PolicyEngine engine, PolicyCase one, CancellationToken cancellationToken)
    {
        var result = new Result(one.Name, one.Location.ToString(), false, Name(one.Outcome), one.Codes, "", [], [], null);
        try
        {
            var layout = ImageLayout.Read(one.Image);
            if (layout.Find(one.Reference) is not { } digest)
            {
                var got = one.Reference is null ? "none" : $"'{one.Reference}'";
                return result with { Problem = $"expected a reference to a manifest of {one.Image}, got {got}" };
            }
            var asked = await layout.WithDocumentsAsync(layout.Ask(one, digest, one.Now ?? DateTimeOffset.UtcNow), cancellationToken);
            if (engine.Needs(asked).HasFlag(FactKinds.Contents)) asked = await layout.WithContentsAsync(asked, cancellationToken);
            var verdict = engine.Evaluate(asked);
            string[] codes = [.. verdict.Reasons.Select(static reason => reason.Code).Distinct().Order(StringComparer.Ordinal)];
            var asExpected = verdict.Outcome == one.Outcome && (one.Codes is not { } expected || codes.ToHashSet().SetEquals(expected));
            return result with
            {
                Passed = asExpected, Outcome = Name(verdict.Outcome), Codes = codes,
                Messages = [.. verdict.Reasons.Select(static reason => reason.Message)],
            };
        }
        catch (Exception problem) when (problem
            is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return result with { Problem = Printable.Line(problem.Message) };
        }
    }

    private static async Task WriteAsync(List<Result> results, TextWriter output)
    {
        foreach (var result in results)
        {
            await output.WriteLineAsync($"{(result.Problem is not null ? "ERROR" : result.Passed ? "ok   " : "FAIL ")} {result.Name}");
            if (result.Problem is { } problem) await output.WriteLineAsync($"      {result.Place}: {problem}");
            if (result.Passed || result.Problem is not null) continue;
            await output.WriteLineAsync($"      {result.Place}");
            await output.WriteLineAsync($"      expected {result.Expected}{Of(result.ExpectedCodes)}");
            await output.WriteLineAsync($"      got      {result.Outcome}{Of(result.Codes)}");
            foreach (var message in result.Messages) await output.WriteLineAsync($"      {message}");
        }
        await output.WriteLineAsync($"{results.Count(static result => result.Passed)} of {results.Count} as expected");
    }

    private static string Of(IEnumerable<string>? codes) => codes is null ? "" : $" [{string.Join(", ", codes)}]";

    private static string Name(Outcome outcome) => outcome.ToString().ToLowerInvariant();

    /// <param name="ExpectedCodes">Null for any.</param>
    /// <param name="Problem">Why the case could not be evaluated; null if it was.</param>
    internal sealed record Result(
        string Name, string Place, bool Passed, string Expected, IReadOnlyList<string>? ExpectedCodes,
        string Outcome, IReadOnlyList<string> Codes, IReadOnlyList<string> Messages, string? Problem);

    [JsonSerializable(typeof(List<Result>))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class TestJson : JsonSerializerContext;
}
