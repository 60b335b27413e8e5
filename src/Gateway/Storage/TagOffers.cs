using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The tags of one repository that wait, in memory; read from <c>_gateway/offers/</c> on first use.</summary>
internal sealed class TagOffers
{
    private readonly Lock _lock = new();
    private ImmutableDictionary<TagName, TagOffer>? _all;

    /// <summary>All offers; <paramref name="folder"/> is read on first use.</summary>
    public ImmutableDictionary<TagName, TagOffer> All(string folder)
    {
        if (Volatile.Read(ref _all) is { } known) return known;
        lock (_lock) return _all ??= Read(folder);
    }

    public void Put(string folder, TagOffer offer)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read(folder)).SetItem(offer.Tag, offer));
    }

    public void Remove(string folder, TagName tag)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read(folder)).Remove(tag));
    }

    private static ImmutableDictionary<TagName, TagOffer> Read(string folder) =>
        !Directory.Exists(folder)
            ? ImmutableDictionary<TagName, TagOffer>.Empty
            : Directory.EnumerateFiles(folder).Select(Parse).OfType<TagOffer>().ToImmutableDictionary(o => o.Tag);

    /// <summary>The form of an offer's file: a line each for digest, sequence, time, end, who, and what is missing.</summary>
    public static byte[] Format(TagOffer offer)
    {
        string[] lines =
        [
            offer.Digest.ToString(), Number(offer.Sequence), Number(offer.At.ToUnixTimeMilliseconds()),
            Number(offer.Expires.ToUnixTimeMilliseconds()), OneLine(offer.By), OneLine(offer.Missing), "",
        ];
        return Encoding.UTF8.GetBytes(string.Join('\n', lines));

        static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Null for a file that is no whole offer: one that a power cut left, which the journal writes again.</summary>
    private static TagOffer? Parse(string file)
    {
        var lines = File.ReadAllText(file).Split('\n');
        return lines.Length == 7 && TagName.TryParse(Path.GetFileName(file), out var tag) && Digest.TryParse(lines[0], out var digest)
            && long.TryParse(lines[1], CultureInfo.InvariantCulture, out var sequence)
            && UnixTime.TryParse(lines[2], out var at) && UnixTime.TryParse(lines[3], out var expires)
            ? new(tag, digest, sequence, lines[4], at, expires, lines[5])
            : null;
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
