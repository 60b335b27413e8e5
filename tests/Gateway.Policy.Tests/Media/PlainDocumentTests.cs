using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Gateway.Policy.Media;
using Xunit;

namespace Gateway.Policy.Tests.Media;

/// <summary>Plain documents are bytes that no client can unpack: text, and COSE when requested.</summary>
public sealed class PlainDocumentTests
{
    private static async Task<DocumentForm> FormOf(byte[] bytes, int part = int.MaxValue) =>
        await PlainDocument.ReadAsync(new Parts(bytes, part), CancellationToken.None);

    public static byte[] Tar(string name, TarEntryFormat format = TarEntryFormat.V7)
    {
        var packed = new MemoryStream();
        using (var tar = new TarWriter(packed, format, leaveOpen: true))
        {
            TarEntry entry = format == TarEntryFormat.V7
                ? new V7TarEntry(TarEntryType.V7RegularFile, name)
                : new PaxTarEntry(TarEntryType.RegularFile, name);
            entry.DataStream = new MemoryStream("x"u8.ToArray());
            tar.WriteEntry(entry);
        }
        return packed.ToArray();
    }

    /// <summary>
    /// An archive whose first block is text without any control character: a JSON document to one reader, a tar to another.
    /// </summary>
    public static byte[] TextThatIsATar()
    {
        var block = Encoding.ASCII.GetBytes(new string(' ', 512));
        Encoding.ASCII.GetBytes("{\"a\":\"b\"}").CopyTo(block, 0);
        Encoding.ASCII.GetBytes("00000000000").CopyTo(block, 124);
        block[156] = (byte)'0';
        var sum = block.Sum(static value => value);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(7, '0')).CopyTo(block, 148);
        Assert.True(TarWalk.IsHeader(block));
        return block;
    }

    private static byte[] Packed(Func<Stream, Stream> pack)
    {
        var packed = new MemoryStream();
        using (var stream = pack(packed)) stream.Write(Tar("bin/sh"));
        return packed.ToArray();
    }

    public static TheoryData<string, byte[]> Archives => new()
    {
        { "gzip", Packed(static to => new GZipStream(to, CompressionLevel.Fastest)) },
        { "tar", Tar("bin/sh") },
        { "tar whose name is JSON", Tar("{}") },
        { "pax", Tar("bin/sh", TarEntryFormat.Pax) },
        { "tar that is text", TextThatIsATar() },
        { "zstd", [0x28, 0xB5, 0x2F, 0xFD, 0x04, 0x58] },
        { "skippable frame of zstd", [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] },
        { "bzip2", "BZh91AY&SY"u8.ToArray() },
        { "xz", [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0] },
        { "squashfs", [.. "hsqs"u8, 0, 0, 0, 1] },
        { "SIF", [.. "#!/usr/bin/env run-singularity\n"u8, 0, .. "SIF_MAGIC"u8] },
        { "ELF", [0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0] },
        { "zip", [(byte)'P', (byte)'K', 3, 4] },
        { "JSON with a frame of zstd in its middle", [.. "{}"u8, 0x28, 0xB5, 0x2F, 0xFD, .. " "u8] },
        { "JSON with a member of gzip in its middle", [.. "{}"u8, 0x1F, 0x8B, 8, .. " "u8] },
        { "JSON with a NUL", "{\"a\":\"\0\"}"u8.ToArray() },
        { "UTF-16", Encoding.Unicode.GetBytes("{\"a\":1}") },
        { "half a character at the end", [.. "{}"u8, 0xC3] },
        { "nothing", [] },
    };

    [Theory]
    [MemberData(nameof(Archives))]
    public async Task Archive_is_not_a_plain_document_at_any_read_size(string what, byte[] bytes)
    {
        Assert.NotEmpty(what);
        Assert.Equal(DocumentForm.None, await FormOf(bytes));
        Assert.Equal(DocumentForm.None, await FormOf(bytes, part: 1));
        // After as much text as is read at once.
        if (bytes.Length == 0 || bytes[0] is (byte)'B' or (byte)'{') return;
        byte[] text = [.. Enumerable.Repeat((byte)'x', ByteReader.Capacity - 1)];
        Assert.Equal(DocumentForm.None, await FormOf([.. text, .. bytes]));
    }

    [Theory]
    [InlineData("{\"critical\":{}}")]
    [InlineData("\uFEFF<?xml version=\"1.0\"?>\r\n<a>é€𝄞</a>")]
    [InlineData("SPDXVersion: SPDX-2.3\n\tLicense:\f\vText\n")]
    [InlineData("x")]
    public async Task Text_is_a_plain_document_at_any_read_size(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(DocumentForm.Text, await FormOf(bytes));
        Assert.Equal(DocumentForm.Text, await FormOf(bytes, part: 1));
    }

    [Fact]
    public async Task Character_split_across_two_reads_is_valid()
    {
        for (var shift = 0; shift < 4; shift++)
        {
            var text = new string(' ', shift) + string.Concat(Enumerable.Repeat("𝄞", ByteReader.Capacity / 2));
            Assert.Equal(DocumentForm.Text, await FormOf(Encoding.UTF8.GetBytes(text)));
        }
    }

    [Fact]
    public async Task Cose_is_recognized_by_its_first_bytes() =>
        Assert.Equal(DocumentForm.Cose, await FormOf([0xD2, 0x84, 0x43, 0xA1, 0, 0xFF]));

    private sealed class Parts(byte[] bytes, int part) : IByteSource
    {
        private int _offset;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = Math.Min(Math.Min(part, buffer.Length), bytes.Length - _offset);
            bytes.AsMemory(_offset, count).CopyTo(buffer);
            _offset += count;
            return ValueTask.FromResult(count);
        }
    }
}
