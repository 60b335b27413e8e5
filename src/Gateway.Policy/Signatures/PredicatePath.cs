using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Gateway.Policy.Signatures;

/// <summary>
/// A path in a predicate: the part of JSONPath (RFC 9535) that names members (<c>.name</c>, <c>['any name']</c>), items (<c>[0]</c>) and
/// all items of a list (<c>[*]</c>; one of them must match).
/// </summary>
public sealed class PredicatePath
{
    // Chosen: deeper than predicates of every known kind.
    private const int MaxSteps = 32;

    private readonly ImmutableArray<(string? Member, int? Item)> _steps;

    private PredicatePath(ImmutableArray<(string? Member, int? Item)> steps) => _steps = steps;

    /// <summary>Reads a path; null when it is malformed, or has more than 32 steps.</summary>
    public static PredicatePath? Parse(string text)
    {
        if (!text.StartsWith('$')) return null;
        var steps = ImmutableArray.CreateBuilder<(string?, int?)>();
        for (var rest = text.AsSpan(1); !rest.IsEmpty;)
        {
            var (step, length) = ReadStep(rest);
            if (steps.Count == MaxSteps || length == 0) return null;
            steps.Add(step);
            rest = rest[length..];
        }
        return new(steps.ToImmutable());
    }

    // Length 0 for text that is not a step.
    private static ((string?, int?) Step, int Length) ReadStep(ReadOnlySpan<char> rest)
    {
        if (rest[0] == '.')
        {
            var end = rest[1..].IndexOfAny('.', '[');
            var name = end < 0 ? rest[1..] : rest[1..(end + 1)];
            return ((name.ToString(), null), IsPlainName(name) ? name.Length + 1 : 0);
        }
        if (rest.StartsWith("['") && rest[2..].IndexOf("']") is >= 0 and var quote)
            return ((rest[2..(quote + 2)].ToString(), null), quote + 4);
        if (rest.StartsWith("[*]")) return ((null, null), 3);
        if (rest[0] == '[' && rest.IndexOf(']') is > 1 and var close
            && int.TryParse(rest[1..close], NumberStyles.None, CultureInfo.InvariantCulture, out var item))
            return ((null, item), close + 1);
        return default;
    }

    private static bool IsPlainName(ReadOnlySpan<char> name) => !name.IsEmpty && !name.ContainsAny(Special);

    private static readonly SearchValues<char> Special = SearchValues.Create("*'\"]()?@ ,:$");

    /// <summary>All values at this path.</summary>
    public IEnumerable<JsonElement> Find(JsonElement root)
    {
        IEnumerable<JsonElement> found = [root];
        foreach (var step in _steps) found = found.SelectMany(element => Step(element, step.Member, step.Item));
        return found;
    }

    private static IEnumerable<JsonElement> Step(JsonElement element, string? member, int? item)
    {
        if (member is not null)
        {
            if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(member, out var value)) yield return value;
        }
        else if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var (index, each) in element.EnumerateArray().Index())
            {
                if (item is null || item == index) yield return each;
            }
        }
    }
}
