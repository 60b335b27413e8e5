using System.Text.Json;

namespace Gateway.Operations;

/// <summary>Whether the gateway can work, with checks that run on request.</summary>
/// <param name="checks">By name: the problem in one line, or null. Checks use only memory.</param>
/// <param name="warnings">The same for problems that the operator should correct and that do not make the gateway unready.</param>
internal sealed class Health(IReadOnlyDictionary<string, Func<string?>> checks, IReadOnlyDictionary<string, Func<string?>> warnings)
{
    private volatile bool _stopping;

    /// <summary>Not ready from now on: the gateway finishes its requests and stops.</summary>
    public void BeginStopping() => _stopping = true;

    /// <summary>The problems; empty if ready.</summary>
    public IReadOnlyList<(string Check, string Problem)> Problems()
    {
        var problems = new List<(string, string)>();
        if (_stopping) problems.Add(("process", "the gateway is stopping"));
        foreach (var (name, check) in checks)
        {
            if (check() is { } problem) problems.Add((name, problem));
        }
        return problems;
    }

    /// <summary>What the operator should correct, one line each; empty for nothing.</summary>
    public IEnumerable<string> Warnings() =>
        warnings.Select(static w => w.Value() is { } text ? $"{w.Key}: {text}" : null).OfType<string>();

    /// <summary>Every check with its result, and the warnings, as JSON.</summary>
    public byte[] ToJson(IReadOnlyList<(string Check, string Problem)> problems)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteBoolean("ready", problems.Count == 0);
            json.WriteStartObject("checks");
            foreach (var name in checks.Keys.Prepend("process"))
            {
                var problem = problems.FirstOrDefault(each => each.Check == name).Problem;
                json.WriteString(name, problem ?? "ok");
            }
            json.WriteEndObject();
            json.WriteStartObject("warnings");
            foreach (var (name, warning) in warnings)
            {
                if (warning() is { } text) json.WriteString(name, Printable.Line(text));
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }
}
