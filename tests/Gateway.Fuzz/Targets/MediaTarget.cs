using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Repositories;

namespace Gateway.Fuzz.Targets;

/// <summary>
/// Blobs as their bytes say: gzip, zstd, tar and JSON. The first byte says how the rest is given: as it is, or packed first, so that
/// changes reach the archive inside.
/// </summary>
public sealed class MediaTarget : FuzzTarget
{
    protected override int MaxLength => 16 * 1024;

    protected override IEnumerable<byte[]> Inputs
    {
        get
        {
            byte[] tar = [.. Archive(TarEntryFormat.Ustar), .. Archive(TarEntryFormat.Pax)];
            yield return [0, .. Archive(TarEntryFormat.Gnu)];
            yield return [0, .. Gzip(tar)];
            yield return [0, .. Gzip("{}"u8), .. Gzip([]), 0];
            yield return [1, .. tar];
            yield return [0, .. "{\"a\":\"é€𝄞\"}\n"u8];
            yield return [0, 0xD2, 0x84, 0x43, 0xA1];
            yield return [2, .. Archive(TarEntryFormat.Pax)];
            yield return [2, .. "{\"a\":1}"u8];
            yield return [0, 0x28, 0xB5, 0x2F, 0xFD, 0x20, 2, 0x11, 0, 0, (byte)'{', (byte)'}', 0x5A, 0x2A, 0x4D, 0x18, 0, 0, 0, 0];
        }
    }

    protected override string[] Words => ["ustar\u000000", "ustar  \0", "\u001f\u008b\b", "path=../x\n", "30 mtime=1\n"];

    protected override string Try(byte[] input)
    {
        if (input.Length == 0) return "";
        var bytes = input[0] switch { 1 => Gzip(input.AsSpan(1)), 2 => Frame(input.AsSpan(1)), _ => input[1..] };
        var whole = Sniff(bytes, int.MaxValue);
        // However the bytes come, they are the same; only the words for what is wrong may be others.
        var dripped = Sniff(bytes, 1 + (bytes.Length % 97));
        Assert.Equal((whole.Packing, whole.Flaw is null, whole.DiffId), (dripped.Packing, dripped.Flaw is null, dripped.DiffId));
        if (whole.Flaw is null) Assert.Equal(whole.Form, dripped.Form);
        // What is without a flaw the runtime's reader unpacks to the same.
        if (whole is { Packing: Packing.Gzip, Flaw: null }) Assert.Equal(HashOf(bytes), whole.DiffId.ToString());
        var document = Read(bytes, int.MaxValue);
        Assert.Equal(document, Read(bytes, 1 + (bytes.Length % 97)));
        // A plain document is nothing that is unpacked, and text is text to the runtime too.
        var isArchive = whole.Packing != Packing.None || whole.Form == ContentForm.Tar;
        Assert.False(document != DocumentForm.None && isArchive, "a document can be unpacked");
        var text = document == DocumentForm.Text ? new UTF8Encoding(false, true).GetString(bytes) : "";
        Assert.DoesNotContain(text, static c => c < ' ' && c is not (>= '\t' and <= '\r'));
        return $"{whole.Packing} {whole.Form} {whole.Flaw} {document}";
    }

    private static DocumentForm Read(byte[] bytes, int most) =>
        PlainDocument.ReadAsync(new Drip(bytes, most), default).AsTask().GetAwaiter().GetResult();

    private static Content Sniff(byte[] bytes, int most) =>
        new MediaSniffer(Zstd.Unpack).ReadAsync(new Drip(bytes, most), default).AsTask().GetAwaiter().GetResult();

    private static string HashOf(byte[] bytes)
    {
        using var unpacked = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
        return $"sha256:{Convert.ToHexStringLower(SHA256.HashData(unpacked))}";
    }

    private static byte[] Gzip(ReadOnlySpan<byte> bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(bytes);
        return packed.ToArray();
    }

    // RFC 8878 §3.1.1: a frame of one block that is stored as it is, its content's size in four bytes.
    private static byte[] Frame(ReadOnlySpan<byte> content)
    {
        var header = (content.Length << 3) | 1;
        byte[] size = BitConverter.GetBytes(content.Length);
        return [0x28, 0xB5, 0x2F, 0xFD, 0xA0, .. size, (byte)header, (byte)(header >> 8), (byte)(header >> 16), .. content];
    }

    private static byte[] Archive(TarEntryFormat format)
    {
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, format))
        {
            foreach (var name in new[] { "etc/passwd", new string('n', 120) })
            {
                TarEntry entry = format switch
                {
                    TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name.Length > 99 ? "d/" + name[..90] : name),
                    TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
                    _ => new PaxTarEntry(TarEntryType.RegularFile, name),
                };
                entry.DataStream = new MemoryStream("root:x:0:0"u8.ToArray());
                writer.WriteEntry(entry);
            }
        }
        return tar.ToArray();
    }

    private sealed class Drip(byte[] bytes, int most) : IByteSource
    {
        private int _at;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = Math.Min(Math.Min(most, buffer.Length), bytes.Length - _at);
            bytes.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return new(count);
        }
    }
}
