using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Operations;

/// <summary>Whether the gateway can do its work, asked part by part when somebody asks.</summary>
/// <param name="checks">By name: what is wrong in one line, null when all is well. They answer from memory.</param>
/// <param name="warnings">The same, of what somebody should see to and the gateway works on with.</param>
internal sealed class Health(IReadOnlyDictionary<string, Func<string?>> checks, IReadOnlyDictionary<string, Func<string?>> warnings)
{
    private volatile bool _stopping;

    /// <summary>From now on not ready: the gateway is ending the requests that it has.</summary>
    public void BeginStopping() => _stopping = true;

    /// <summary>What is wrong; empty when ready.</summary>
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

    /// <summary>Every check with its outcome, and what there is to warn of, as JSON.</summary>
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
