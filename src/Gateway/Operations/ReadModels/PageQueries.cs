using System.Globalization;

namespace Gateway.Operations.ReadModels;

/// <summary>Reads the questions for pages from a query. The admin API and the console read them alike.</summary>
internal static class PageQueries
{
    // Longer than any name, tag or platform.
    private const int MostCharacters = 300;

    public static RepositoryQuestion Repositories(IQueryCollection query) => new(
        Text(query, "search"), OneOf(query, "source", "stored", "cached", "fronted"), OneOf(query, "sort", "size", "own") ?? "name",
        Text(query, "last"), Number(query, "n", RepositoryPages.MostRows) ?? RepositoryPages.Rows);

    public static TagQuestion Tags(IQueryCollection query) => new(
        Text(query, "repository") ?? "", Text(query, "type"), Text(query, "signature"), Text(query, "platform"),
        Number(query, "olderThan", 100_000), Text(query, "search"), Text(query, "last"),
        Number(query, "n", TagPages.MostRows) ?? TagPages.Rows, OneOf(query, "sort", "own") ?? "name");

    /// <summary>The part of names above a level of the tree; null for the top, and for text that no name has.</summary>
    public static string? Under(IQueryCollection query) =>
        RepositoryName.TryParse(Text(query, "under")?.Trim('/'), out RepositoryName under) ? under.Value : null;

    /// <summary>The question about the policy; null when none is asked.</summary>
    public static PolicyQuestion? Trial(IQueryCollection query) => Text(query, "reference") is { } reference
        ? new(reference, Text(query, "stage") ?? "pull", Text(query, "as"))
        : null;

    /// <summary>A value, without spaces around it; null for an empty or missing one.</summary>
    public static string? Text(IQueryCollection query, string name)
    {
        var text = query[name].ToString().Trim();
        return text.Length == 0 ? null : text.Length <= MostCharacters ? text : text[..MostCharacters];
    }

    /// <summary>A value that a question needs; empty for a missing one, which names nothing.</summary>
    public static string Named(IQueryCollection query, string name) => Text(query, name) ?? "";

    private static string? OneOf(IQueryCollection query, string name, params ReadOnlySpan<string> values)
    {
        var text = Text(query, name);
        return text is not null && values.Contains(text) ? text : null;
    }

    private static int? Number(IQueryCollection query, string name, int most) =>
        int.TryParse(Text(query, name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? Math.Min(number, most)
            : null;
}
