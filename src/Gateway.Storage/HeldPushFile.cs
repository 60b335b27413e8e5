using System.Globalization;
using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>A tag that waits, as its file in <c>_gateway/offers/</c> has it.</summary>
internal static class HeldPushFile
{
    /// <summary>A line each for digest, sequence, time, end, who, and what is missing.</summary>
    public static byte[] Format(HeldPush offer)
    {
        string[] lines =
        [
            offer.Digest.ToString(), offer.Sequence.ToString(CultureInfo.InvariantCulture), UnixTime.Format(offer.PushedAt),
            UnixTime.Format(offer.Expires), offer.Actor.ReplaceLineEndings(" "), offer.Missing.ReplaceLineEndings(" "), "",
        ];
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }

    /// <summary>Null for a file that is no whole offer.</summary>
    public static HeldPush? Read(string file)
    {
        var lines = (Disk.Text(file) ?? "").Split('\n');
        return lines.Length == 7 && TagName.TryParse(Path.GetFileName(file), out var tag) && Digest.TryParse(lines[0], out var digest)
            && long.TryParse(lines[1], CultureInfo.InvariantCulture, out var sequence)
            && UnixTime.TryParse(lines[2], out var at) && UnixTime.TryParse(lines[3], out var expires)
            ? new(tag, digest, sequence, lines[4], at, expires, lines[5])
            : null;
    }
}
