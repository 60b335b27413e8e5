using System.Globalization;
using System.Text;

namespace Gateway.Storage;

/// <summary>The file in <c>_gateway/offers/</c> of one held push.</summary>
internal static class HeldPushFile
{
    /// <summary>One line each for the digest, number of the change, time, expiry, account, and what is missing.</summary>
    public static byte[] Format(HeldPush held)
    {
        string[] lines =
        [
            held.Digest.ToString(), held.Sequence.ToString(CultureInfo.InvariantCulture), UnixTime.Format(held.PushedAt),
            UnixTime.Format(held.Expires), held.Actor.ReplaceLineEndings(" "), held.Missing.ReplaceLineEndings(" "), "",
        ];
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }

    /// <summary>Reads the file; null when it is incomplete.</summary>
    public static HeldPush? Read(string file) => Parse(Path.GetFileName(file), Disk.Text(file) ?? "");

    /// <summary>The same, of a file that was read.</summary>
    public static HeldPush? Parse(string name, string text)
    {
        var lines = text.Split('\n');
        return lines.Length == 7 && TagName.TryParse(name, out var tag) && Digest.TryParse(lines[0], out var digest)
            && long.TryParse(lines[1], CultureInfo.InvariantCulture, out var sequence)
            && UnixTime.TryParse(lines[2], out var at) && UnixTime.TryParse(lines[3], out var expires)
            ? new(tag, digest, sequence, lines[4], at, expires, lines[5])
            : null;
    }
}
