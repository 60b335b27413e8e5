using System.Globalization;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>The setting types of single values, except addresses (<see cref="Addresses"/>).</summary>
internal static class Scalars
{
    /// <summary>Maximum length of a single value; a PEM certificate chain fits.</summary>
    private const int MaxText = 64 * 1024;

    /// <summary>YAML 1.2 core schema, 10.3.2.</summary>
    public static readonly Scalar<bool> Switch = new(
        "true or false",
        (text, _) => text switch { "true" or "True" or "TRUE" => true, "false" or "False" or "FALSE" => false, _ => Parsed<bool>.Not() },
        new() { ["type"] = "boolean" });

    public static readonly Scalar<string> Text = new("text", (text, _) => NotEmpty(text));

    public static readonly Scalar<string> Secret = new("a secret, in one line", (text, _) => NotEmpty(text)) { Hides = true };

    /// <summary>Absolute path of a file that can be read now.</summary>
    public static readonly Scalar<string> ReadableFile =
        FileThat("the path of a file that can be read", static path => File.OpenRead(path).Dispose());

    /// <summary>Absolute path of a folder; it does not need to exist.</summary>
    public static readonly Scalar<string> Folder = new("a path", (text, reading) =>
        text.Length == 0 ? Parsed<string>.Not() : reading.Absolute(text));

    public static readonly Scalar<long> Size = new(
        "a size such as 20GiB, 512MB or a number of bytes",
        (text, _) => Sizes.TryParse(text, out var bytes) ? bytes : Parsed<long>.Not(),
        new() { ["type"] = new JsonArray("string", "integer") });

    /// <summary>A size within these bounds, both included.</summary>
    public static Scalar<long> SizeWithin(long least, long most) => new(
        $"a size from {least} to {most} bytes, such as 4MiB",
        (text, _) => Sizes.TryParse(text, out var bytes) && bytes >= least && bytes <= most ? bytes : Parsed<long>.Not(),
        new() { ["type"] = new JsonArray("string", "integer") });

    public static readonly Scalar<string> Glob = new("a pattern: * for anything within one path segment, ** for any segments", (text, _) =>
        GlobText(text));

    /// <summary>An upstream's key, which is both a path component and a namespace.</summary>
    public static readonly Scalar<string> UpstreamKey = new(
        "a name in lower case such as ghcr.io, without slash or port",
        (text, _) => !text.Contains('/') && RepositoryName.TryParse(text, out var name) ? name.Value : Parsed<string>.Not());

    public static readonly Scalar<string> Prefix = Matching(
        "path components such as ghcr.io or team/images, in lower case, or \"\" for the rest",
        text => text.Length == 0 || RepositoryName.TryParse(text, out RepositoryName _));

    public static readonly Scalar<RepositoryName> Repository = new(
        "a repository's name at this gateway, such as team/signatures",
        (text, _) => RepositoryName.TryParse(text, out RepositoryName name) ? name : Parsed<RepositoryName>.Not());

    /// <summary>A media type without parameters (RFC 6838, 4.2).</summary>
    public static readonly Scalar<string> MediaType = Matching(
        "a media type such as application/vnd.cncf.helm.config.v1+json",
        text => IsMediaType(text));

    /// <summary>A whole number within these bounds, both included.</summary>
    public static Scalar<int> Whole(int least, int most) => new(
        $"a whole number from {least} to {most}",
        (text, _) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least && n <= most
            ? n
            : Parsed<int>.Not(),
        new() { ["type"] = "integer", ["minimum"] = least, ["maximum"] = most });

    /// <summary>One of these words.</summary>
    public static Scalar<T> OneOf<T>(params (string Word, T Value)[] words) => new(
        words.Length == 1 ? $"{words[0].Word}, the only choice of this version" : string.Join(" or ", words.Select(word => word.Word)),
        (text, _) =>
        {
            var found = Array.FindIndex(words, word => word.Word == text);
            if (found >= 0) return words[found].Value;
            return Parsed<T>.Not(NearestName.Of(text, words.Select(word => word.Word)) is { } name ? $"did you mean {name}?" : "");
        },
        new() { ["enum"] = new JsonArray([.. words.Select(word => (JsonNode)word.Word)]) });

    /// <summary>A duration, or one of these words.</summary>
    public static Scalar<TimeSpan> Duration(params (string Word, TimeSpan Value)[] words) => new(
        $"a duration such as 30s, 5m or 1h30m{string.Concat(words.Select(word => $", or {word.Word}"))}",
        (text, _) =>
        {
            var found = Array.FindIndex(words, word => word.Word == text);
            if (found >= 0) return words[found].Value;
            return Durations.TryParse(text, out var duration) ? duration : Parsed<TimeSpan>.Not();
        });

    /// <summary>Absolute path of a file that can be read in this way now.</summary>
    public static Scalar<string> FileThat(string expected, Action<string> read) => new(expected, (text, reading) =>
    {
        if (text.Length == 0) return Parsed<string>.Not();
        var path = reading.Absolute(text);
        try
        {
            if (reading.Files is null) read(path);
            return path;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return Parsed<string>.Not(problem.Message);
        }
    });

    /// <summary>A text that is taken as it is written.</summary>
    /// <param name="expected">In words.</param>
    public static Scalar<string> Matching(string expected, Func<string, bool> isValid) =>
        new(expected, (text, _) => isValid(text) ? text : Parsed<string>.Not());

    private static Parsed<string> NotEmpty(string text) =>
        text.Length is 0 or > MaxText || text.AsSpan().ContainsAny('\r', '\n', '\0') ? Parsed<string>.Not() : text;

    private static Parsed<string> GlobText(string text) =>
        text.Length is 0 or > RepositoryName.MaxLength || text.Any(char.IsWhiteSpace) ? Parsed<string>.Not() : text;

    private static bool IsMediaType(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && slash < text.Length - 1
            && !text.AsSpan(0, slash).ContainsAnyExcept(Token) && !text.AsSpan(slash + 1).ContainsAnyExcept(Token);
    }

    /// <summary>Characters of a restricted name (RFC 6838, 4.2).</summary>
    private static readonly System.Buffers.SearchValues<char> Token =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+");
}
