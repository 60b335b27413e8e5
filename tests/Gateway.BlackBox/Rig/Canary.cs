using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// The secrets of tests: each bears a mark that nothing else has. Where the mark is found in what a gateway says, a secret has got out;
/// every gateway of these tests is looked at so, by what it wrote and by what its operator's port answers.
/// </summary>
internal static class Canary
{
    private const string Mark = "canaryXq7";

    private static readonly System.Buffers.SearchValues<string> Marks = System.Buffers.SearchValues.Create(
        [Mark, Convert.ToHexString(Encoding.ASCII.GetBytes(Mark)), .. InBase64()], StringComparison.OrdinalIgnoreCase);

    /// <summary>A secret of this name: it may be a password, a token, or a part of a URL.</summary>
    public static string Secret(string name) => $"{Mark}-{name}";

    /// <summary>Whether there is a secret in it, as it is, in hexadecimal or in base 64.</summary>
    public static bool IsIn(string text) => text.AsSpan().ContainsAny(Marks);

    /// <summary>Fails where there is a secret in it.</summary>
    public static void IsNotIn(string what, string text) => Assert.False(IsIn(text), $"{what} shows a secret: {text}");

    // A mark in the middle of other text has three forms, by where it begins; the characters at its ends hold bits of its neighbours.
    private static IEnumerable<string> InBase64() =>
        from before in new[] { 0, 1, 2 }
        let text = Convert.ToBase64String(Encoding.ASCII.GetBytes(new string(' ', before) + Mark))
        let first = ((8 * before) + 5) / 6
        let end = 8 * (before + Mark.Length) / 6
        select text[first..end];
}
