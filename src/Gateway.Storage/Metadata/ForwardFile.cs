using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Gateway.Storage;

/// <summary>What must be forwarded to an upstream for one push.</summary>
/// <param name="Sequence">The number of its change: lower numbers are forwarded first.</param>
/// <param name="Manifests">In an order in which each manifest follows those that it names.</param>
/// <param name="Refusal">Why the upstream refused the push, one line; null while it waits.</param>
public sealed record PendingForward(
    long Sequence, DateTimeOffset At, ImmutableArray<Digest> Manifests, ImmutableArray<(TagName Tag, Digest Digest)> Tags, string? Refusal)
{
    /// <summary>Whether the push is still to be forwarded; false when the upstream refused it.</summary>
    public bool IsWaiting => Refusal is null;
}

/// <summary>The file in <c>_gateway/forwards/</c> of one push that must be forwarded to an upstream.</summary>
internal static class ForwardFile
{
    /// <summary>The time, the refusal or an empty line, then a line for each manifest and each tag.</summary>
    public static byte[] Format(PendingForward forward)
    {
        string[] lines =
        [
            UnixTime.Format(forward.At), forward.Refusal?.ReplaceLineEndings(" ") ?? "",
            .. forward.Manifests.Select(m => m.ToString()), .. forward.Tags.Select(t => $"{t.Digest} {t.Tag}"), "end", "",
        ];
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }

    /// <summary>Reads the file; null when it is incomplete.</summary>
    public static PendingForward? Read(string file)
    {
        var lines = (Disk.Text(file) ?? "").Split('\n');
        if (lines.Length < 4 || lines[^2] != "end" || !UnixTime.TryParse(lines[0], out var at)
            || !long.TryParse(Path.GetFileName(file), CultureInfo.InvariantCulture, out var sequence))
            return null;
        var manifests = ImmutableArray.CreateBuilder<Digest>();
        var tags = ImmutableArray.CreateBuilder<(TagName, Digest)>();
        foreach (var line in lines[2..^2])
        {
            var parts = line.Split(' ');
            if (!Digest.TryParse(parts[0], out var digest)) return null;
            if (parts.Length == 1) manifests.Add(digest);
            else if (parts.Length == 2 && TagName.TryParse(parts[1], out var tag)) tags.Add((tag, digest));
            else return null;
        }
        return new(sequence, at, manifests.ToImmutable(), tags.ToImmutable(), lines[1].Length > 0 ? lines[1] : null);
    }
}
