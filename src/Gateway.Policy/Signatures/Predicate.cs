using System.Text.Json;

namespace Gateway.Policy.Signatures;

/// <summary>Checks the predicate of an attestation against the <c>where</c> of a rule.</summary>
internal static class Predicate
{
    // One interpretation for all readers: no comments, no duplicate keys.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    /// <summary>The first condition that the predicate does not meet, with the actual value; null when it meets all.</summary>
    public static string? ProblemOf(ReadOnlyMemory<byte> predicate, ImmutableArray<PredicateCondition> where)
    {
        if (where.IsEmpty) return null;
        try
        {
            using var document = JsonDocument.Parse(predicate.IsEmpty ? "{}"u8.ToArray() : predicate, Strict);
            return where.Select(condition => ProblemOf(document.RootElement, condition))
                .FirstOrDefault(static problem => problem is not null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return "expected an unambiguous predicate in JSON, got a duplicate key or half of a surrogate pair";
        }
    }

    private static string? ProblemOf(JsonElement root, PredicateCondition condition)
    {
        var found = PredicatePath.Parse(condition.Path)!.Find(root).Select(TextOf).OfType<string>().ToList();
        if (found.Any(new TextMatcher(condition.Is).IsMatch)) return null;
        var got = found.Count switch
        {
            0 => "nothing",
            1 => Printable.Quote(found[0]),
            _ => $"{found.Count} others, first {Printable.Quote(found[0])}",
        };
        return $"{condition.Path}: expected {Printable.Quote(condition.Is.Pattern)}, got {got}";
    }

    // Only values with one spelling can be compared; objects, lists and null have several.
    private static string? TextOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => element.GetRawText(),
        _ => null,
    };
}
