using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// Secrets of tests: each contains a mark that nothing else has. When the mark is in output of a gateway, a secret was leaked. Every
/// gateway of these tests is checked: its output, and the answers of its operator port.
/// </summary>
internal static class Canary
{
    private const string Mark = "canaryXq7";

    private static readonly System.Buffers.SearchValues<string> Marks = System.Buffers.SearchValues.Create(
        [Mark, Convert.ToHexString(Encoding.ASCII.GetBytes(Mark)), .. InBase64()], StringComparison.OrdinalIgnoreCase);

    /// <summary>A secret with this name: it may be a password, a token, or a part of a URL.</summary>
    public static string Secret(string name) => $"{Mark}-{name}";

    /// <summary>Whether the text contains a secret: plain, in hexadecimal or in base 64.</summary>
    public static bool IsIn(string text) => text.AsSpan().ContainsAny(Marks);

    /// <summary>Fails when the text contains a secret.</summary>
    public static void IsNotIn(string what, string text) => Assert.False(IsIn(text), $"{what} contains a secret: {text}");

    // A mark within other text has three base 64 forms, by its offset; the characters at its ends have bits of the neighboring text.
    private static IEnumerable<string> InBase64() =>
        from before in new[] { 0, 1, 2 }
        let text = Convert.ToBase64String(Encoding.ASCII.GetBytes(new string(' ', before) + Mark))
        let first = ((8 * before) + 5) / 6
        let end = 8 * (before + Mark.Length) / 6
        select text[first..end];
}
