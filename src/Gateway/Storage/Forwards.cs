using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>What one push left for an upstream to get.</summary>
/// <param name="Sequence">The number of its change: an earlier one goes first.</param>
/// <param name="Manifests">In an order in which each finds there what it names.</param>
/// <param name="Refusal">Why the upstream does not take it, one line; null while it waits.</param>
internal sealed record PendingForward(
    long Sequence, DateTimeOffset At, ImmutableArray<Digest> Manifests, ImmutableArray<(TagName Tag, Digest Digest)> Tags, string? Refusal)
{
    public bool IsWaiting => Refusal is null;
}

/// <summary>What the upstream of one repository is still to get, in memory; read from <c>_gateway/forwards/</c> on first use.</summary>
internal sealed class Forwards
{
    private readonly Lock _lock = new();
    private ImmutableSortedDictionary<long, PendingForward>? _all;

    /// <summary>All of them, the earliest first; <paramref name="folder"/> is read on first use.</summary>
    public ImmutableSortedDictionary<long, PendingForward> All(string folder)
    {
        if (Volatile.Read(ref _all) is { } known) return known;
        lock (_lock) return _all ??= Read(folder);
    }

    public void Put(string folder, PendingForward forward)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read(folder)).SetItem(forward.Sequence, forward));
    }

    public void Remove(string folder, long sequence)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read(folder)).Remove(sequence));
    }

    private static ImmutableSortedDictionary<long, PendingForward> Read(string folder) =>
        !Directory.Exists(folder)
            ? ImmutableSortedDictionary<long, PendingForward>.Empty
            : Directory.EnumerateFiles(folder).Select(Parse).OfType<PendingForward>().ToImmutableSortedDictionary(f => f.Sequence, f => f);

    /// <summary>The form of its file: the time, the refusal or nothing, then a line for each manifest and each tag.</summary>
    public static byte[] Format(PendingForward forward)
    {
        string[] lines =
        [
            forward.At.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture), forward.Refusal?.ReplaceLineEndings(" ") ?? "",
            .. forward.Manifests.Select(m => m.ToString()), .. forward.Tags.Select(t => $"{t.Digest} {t.Tag}"), "end", "",
        ];
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));
    }

    /// <summary>Null for a file that is not whole: one that a power cut left, which the journal writes again.</summary>
    private static PendingForward? Parse(string file)
    {
        var lines = File.ReadAllText(file).Split('\n');
        if (lines.Length < 4 || lines[^2] != "end" || !long.TryParse(Path.GetFileName(file), CultureInfo.InvariantCulture, out var sequence)
            || !long.TryParse(lines[0], CultureInfo.InvariantCulture, out var at))
            return null;
        var manifests = ImmutableArray.CreateBuilder<Digest>();
        var tags = ImmutableArray.CreateBuilder<(TagName, Digest)>();
        foreach (var line in lines[2..^2])
        {
            var parts = line.Split(' ');
            if (!Digest.TryParse(parts[0], out var digest)) return null;
            if (parts.Length == 1) manifests.Add(digest);
            else tags.Add((TagName.Parse(parts[1]), digest));
        }
        return new(
            sequence, DateTimeOffset.FromUnixTimeMilliseconds(at), manifests.ToImmutable(), tags.ToImmutable(),
            lines[1].Length > 0 ? lines[1] : null);
    }
}
