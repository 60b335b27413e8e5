using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Gateway.Oci;
using Gateway.Policy.Media;
using Xunit;

namespace Gateway.Policy.Tests.Media;

/// <summary>The sniffer recognizes bytes that the runtime's own writers compressed, and detects changes of them.</summary>
public sealed class MediaSnifferTests
{
    // A source that returns as few bytes as allowed, so that every boundary is crossed.
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

    private static async Task<Content> Sniff(byte[] bytes, int most = int.MaxValue) =>
        await new MediaSniffer(static packed => packed).ReadAsync(new Drip(bytes, most), default);

    private static byte[] Gzip(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal)) gzip.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Tar(TarEntryFormat format, params (string Name, byte[] Content)[] files)
    {
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, format))
        {
            foreach (var (name, content) in files)
            {
                TarEntry entry = format switch
                {
                    TarEntryFormat.V7 => new V7TarEntry(TarEntryType.V7RegularFile, name),
                    TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name),
                    TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
                    _ => new PaxTarEntry(TarEntryType.RegularFile, name),
                };
                entry.DataStream = new MemoryStream(content);
                writer.WriteEntry(entry);
            }
        }
        return tar.ToArray();
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(200, false)]
    [InlineData(1, true)]
    public async Task Bytes_between_the_content_and_its_check_sum_are_a_flaw(int hidden, bool isFollowed)
    {
        var packed = Gzip(Noise(1000));
        byte[] bytes = [.. packed[..^8], .. new byte[hidden], .. packed[^8..], .. isFollowed ? packed : []];
        Assert.NotNull((await Sniff(bytes)).Flaw);
        Assert.NotNull((await Sniff(bytes, most: 1)).Flaw);
        Assert.Null((await Sniff(packed)).Flaw);
    }

    private static byte[] Noise(int length)
    {
        var noise = new byte[length];
        new Random(7).NextBytes(noise);
        return noise;
    }

    private static byte[] Evil => Tar(TarEntryFormat.Pax, ("evil", Noise(9)));

    private static byte[] Layer { get; } = Tar(
        TarEntryFormat.Pax, ("bin/tool", Noise(70_001)), ("etc/a", "text"u8.ToArray()), ("empty", []));

    private static byte[] Elf { get; } = [0x7F, .. "ELF"u8, .. Noise(4000)];

    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public async Task Every_tar_format_is_recognized(TarEntryFormat format)
    {
        var name = format is TarEntryFormat.Pax or TarEntryFormat.Gnu ? new string('n', 300) : "name";
        var tar = Tar(format, (name, Noise(1000)), ("b", Noise(512)), ("c", []));
        Assert.Equal(new Content(Packing.None, ContentForm.Tar, null) { DiffId = Digest.Of(tar) }, await Sniff(tar));
        Assert.Equal(new Content(Packing.Gzip, ContentForm.Tar, null) { DiffId = Digest.Of(tar) }, await Sniff(Gzip(tar)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(13)]
    [InlineData(511)]
    [InlineData(100_000)]
    public async Task Result_does_not_depend_on_the_size_of_reads(int most) =>
        Assert.Equal(new Content(Packing.Gzip, ContentForm.Tar, null) { DiffId = Digest.Of(Layer) }, await Sniff(Gzip(Layer), most));

    [Fact]
    public async Task Content_that_is_not_an_archive_is_recognized_by_its_first_bytes()
    {
        Assert.Equal((Packing.None, ContentForm.Other, null), Of(await Sniff(Elf)));
        Assert.Equal((Packing.Gzip, ContentForm.Other, null), Of(await Sniff(Gzip(Elf))));
        Assert.Equal((Packing.None, ContentForm.Other, null), Of(await Sniff("<!DOCTYPE html><html></html>"u8.ToArray())));
        Assert.Equal((Packing.None, ContentForm.Json, null), Of(await Sniff(" \n{}"u8.ToArray())));
        Assert.Equal((Packing.None, ContentForm.Other, null), Of(await Sniff("[]"u8.ToArray())));
        Assert.Equal((Packing.None, ContentForm.Empty, null), Of(await Sniff([])));
        Assert.Equal((Packing.Gzip, ContentForm.Empty, null), Of(await Sniff([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, .. new byte[8]])));
        Assert.Equal((Packing.None, ContentForm.Tar, null), Of(await Sniff(new byte[1024])));
        Assert.Equal((Packing.None, ContentForm.Other, null), Of(await Sniff([.. "PK\u0003\u0004"u8, .. Noise(600)])));
        Assert.Equal(Packing.None, (await Sniff([0x1F, 0x8B])).Packing);
    }

    private static (Packing, ContentForm, string?) Of(Content content) => (content.Packing, content.Form, content.Flaw);

    public static TheoryData<string, byte[], string> Spoilt => new()
    {
        { "bytes after the member", [.. Gzip(Layer), .. "PK"u8, .. new byte[20]], "followed by other bytes" },
        { "zeros after the member", [.. Gzip(Layer), .. new byte[512]], "followed by other bytes" },
        { "one byte after the member", [.. Gzip(Layer), 7], "followed by other bytes" },
        { "a second archive in a second member", [.. Gzip(Layer), .. Gzip(Evil)], "after the end of its tar archive" },
        { "a second archive in the same member", Gzip([.. Layer, .. Evil]), "after the end of its tar archive" },
        { "a second archive without gzip", [.. Layer, .. Tar(TarEntryFormat.Pax, ("evil", Noise(9)))], "after the end of its tar archive" },
        { "a second member of no archive", [.. Gzip(Elf), .. Gzip(Elf)], "several gzip members" },
        { "a cut member", Gzip(Layer)[..^9], "cut short" },
        { "a cut trailer", Gzip(Layer)[..^1], "cut short" },
        { "half a member", Gzip(Layer)[..2000], "cut short" },
        { "another check sum", Changed(Gzip(Layer), ^8), "check sum" },
        { "another length", Changed(Gzip(Layer), ^1), "check sum" },
        { "a reserved flag", Changed(Gzip(Layer), 3, 0x80), "a header is wrong" },
        { "a header without its end", [0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3, .. "name without end"u8], "a header is wrong" },
        { "an archive that is cut", Gzip(Layer[..3000]), "cut short within its tar archive" },
        { "a header that is broken", Gzip(Changed(Tar(TarEntryFormat.Ustar, ("a", []), ("b", [])), 512)), "broken header" },
    };

    private static byte[] Changed(byte[] bytes, Index at, byte by = 1)
    {
        bytes[at] ^= by;
        return bytes;
    }

    [Theory]
    [MemberData(nameof(Spoilt))]
    public async Task Bytes_that_clients_read_differently_are_a_flaw(string what, byte[] bytes, string expected)
    {
        var content = await Sniff(bytes);
        Assert.True(content.Flaw?.Contains(expected, StringComparison.Ordinal), $"{what}: {content.Flaw}");
        Assert.Equal(content.Flaw, (await Sniff(bytes, 101)).Flaw);
    }

    /// <summary>
    /// As estargz compresses, so that each file can be fetched alone; its last member has no content but an extra field.
    /// </summary>
    [Fact]
    public async Task Archive_in_many_gzip_members_is_one_archive()
    {
        byte[] footer = [0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 0xFF, 26, 0, .. new byte[26], 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        byte[] members = [.. Layer.Chunk(4096).SelectMany(Gzip), .. footer];
        Assert.Equal(new Content(Packing.Gzip, ContentForm.Tar, null) { DiffId = Digest.Of(Layer) }, await Sniff(members));
    }

    [Fact]
    public async Task Gzip_header_with_all_optional_fields_is_skipped()
    {
        var plain = Gzip(Layer);
        byte[] header = [.. plain[..3], 2 | 4 | 8 | 16, .. plain[4..10], 3, 0, 1, 2, 3, .. "layer.tar\0"u8, .. "comment\0"u8, 9, 9];
        Assert.Equal(Digest.Of(Layer), (await Sniff([.. header, .. plain[10..]])).DiffId);
    }

    /// <summary>A polyglot: a gzip file by its beginning and a zip archive by its end.</summary>
    [Fact]
    public async Task Zip_archive_behind_a_layer_is_found()
    {
        using var zip = new MemoryStream();
        using (var archive = new ZipArchive(zip, ZipArchiveMode.Create, leaveOpen: true)) archive.CreateEntry("evil").Open().Dispose();
        Assert.Contains("followed by other bytes", (await Sniff([.. Gzip(Layer), .. zip.ToArray()])).Flaw, StringComparison.Ordinal);
        Assert.Contains("after the end", (await Sniff([.. Layer, .. zip.ToArray()])).Flaw, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Size_in_a_pax_header_is_read_as_clients_read_it()
    {
        // A ustar size of 0, and a pax record that says 600: the content is not a header.
        var pax = Encoding.ASCII.GetBytes("12 size=600\n");
        byte[] tar =
        [
            .. Header("pax", pax.Length, 'x'), .. Padded(pax), .. Header("file", 0, '0'), .. Padded(Noise(600)), .. new byte[1024],
        ];
        Assert.Null((await Sniff(tar)).Flaw);
        byte[] without = [.. Header("file", 0, '0'), .. Padded(Noise(600)), .. new byte[1024]];
        Assert.Equal("a tar archive with a broken header", (await Sniff(without)).Flaw);
    }

    [Fact]
    public async Task Entry_type_without_content_has_none_whatever_its_size_field()
    {
        byte[] tar =
        [
            .. Header("link", 600, '1'), .. Header("dir/", 600, '5'), .. Header("v7/", 600, '\0'),
            .. Header("file", 4, '0'), .. Padded("text"u8.ToArray()), .. new byte[1024],
        ];
        Assert.Equal((Packing.None, ContentForm.Tar, null), Of(await Sniff(tar)));
    }

    [Fact]
    public async Task Large_base_256_size_is_read_and_invalid_size_is_a_flaw()
    {
        var large = Header("large", 4, '0', size => [0x80, .. new byte[10], 4]);
        Assert.Null((await Sniff([.. large, .. Padded("text"u8.ToArray()), .. new byte[1024]])).Flaw);
        var negative = Header("negative", 4, '0', size => [0xFF, .. Enumerable.Repeat((byte)0xFF, 11)]);
        Assert.Equal("a tar archive with a broken size", (await Sniff([.. negative, .. new byte[1024]])).Flaw);
        var text = Header("text", 4, '0', size => "twelve bytes"u8.ToArray());
        Assert.Equal("a tar archive with a broken size", (await Sniff([.. text, .. new byte[1024]])).Flaw);
        var pax = Header("pax", 2 << 20, 'x');
        Assert.Contains("more than 1 MiB", (await Sniff([.. pax, .. new byte[1024]])).Flaw, StringComparison.Ordinal);
    }

    private static byte[] Header(string name, int size, char type, Func<int, byte[]>? written = null)
    {
        var header = new byte[512];
        Encoding.ASCII.GetBytes(name).CopyTo(header, 0);
        (written?.Invoke(size) ?? Encoding.ASCII.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0'))).CopyTo(header, 124);
        header[156] = (byte)type;
        "ustar\00000"u8[..8].CopyTo(header.AsSpan(257));
        header.AsSpan(148, 8).Fill((byte)' ');
        Encoding.ASCII.GetBytes(Convert.ToString(header.Sum(static b => (int)b), 8).PadLeft(6, '0') + "\0").CopyTo(header, 148);
        return header;
    }

    private static byte[] Padded(byte[] content) => [.. content, .. new byte[-content.Length & 511]];

    [Fact]
    public async Task Change_of_any_byte_in_a_packed_layer_is_detected()
    {
        var layer = Gzip(Tar(TarEntryFormat.Ustar, ("a", "some text"u8.ToArray())));
        var whole = await Sniff([.. layer]);
        for (var at = 10; at < layer.Length; at++)
        {
            var changed = await Sniff(Changed([.. layer], at, 0x10));
            // The last byte of the content has unused bits.
            Assert.True(changed.Flaw is not null || changed == whole, $"byte {at}");
        }
    }
}
