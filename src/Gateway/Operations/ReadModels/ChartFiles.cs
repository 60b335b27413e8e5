using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>Reads the files of a Helm chart that people look for. Nothing is written to the disk.</summary>
internal static class ChartFiles
{
    private const string ChartContent = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    private const string OlderContent = "application/tar+gzip";

    // Helm itself packs at most 10 MiB into an archive, and charts have some 10 KiB. A larger one is not shown.
    private const int MostBytes = 4 << 20;

    // Unpacked bytes that are read at most: a small archive can unpack to gigabytes. Helm writes the files that are shown before the
    // charts that this one depends on.
    private const int MostUnpacked = 4 << 20;

    // Longer paths are skipped: "<chart>/<file>" is shorter, and a path in an archive can have megabytes.
    private const int MostPath = 300;

    private const int MostEntries = 2000;

    // Characters of one file that the page shows.
    private const int MostText = 64 << 10;

    /// <summary>
    /// The files of a chart, as far as the archive can be read; null for other content, and for an archive without any of them.
    /// </summary>
    public static async ValueTask<ChartView?> ReadAsync(Inspection inspection, Manifest manifest, CancellationToken cancellationToken)
    {
        if (ContentKinds.Of(manifest).Key != "chart") return null;
        if (manifest.Layers.FirstOrDefault(static l => l.MediaType is ChartContent or OlderContent) is not { Size: <= MostBytes } layer)
            return null;
        if (await inspection.ReadBlobAsync(layer.Digest, MostBytes, cancellationToken) is not { } bytes) return null;
        return await ReadAsync(bytes, cancellationToken);
    }

    /// <summary>The files of an archive that were read before its end, an error or a bound; null for none.</summary>
    public static async ValueTask<ChartView?> ReadAsync(byte[] archive, CancellationToken cancellationToken)
    {
        await using var unpacked = new BoundedStream(new GZipStream(new MemoryStream(archive), CompressionMode.Decompress), MostUnpacked);
        await using var tar = new TarReader(unpacked);
        string? chart = null, readme = null, values = null;
        try
        {
            for (var i = 0; i < MostEntries && await tar.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry; i++)
            {
                // <chart>/<file>: files of charts that this one depends on are deeper.
                if (entry.DataStream is null || entry.Name.Length > MostPath || entry.Name.Split('/') is not [_, var file]) continue;
                switch (file.ToLowerInvariant())
                {
                    case "chart.yaml": chart ??= await TextAsync(entry.DataStream, cancellationToken); break;
                    case "readme.md": readme ??= await TextAsync(entry.DataStream, cancellationToken); break;
                    case "values.yaml": values ??= await TextAsync(entry.DataStream, cancellationToken); break;
                    default: break;
                }
            }
        }
        catch (Exception e) when (e is InvalidDataException or IOException or FormatException or ArgumentException)
        {
            // The files so far are shown.
        }
        return chart is null && readme is null && values is null ? null : new(chart, readme, values);
    }

    private static async ValueTask<string> TextAsync(Stream data, CancellationToken cancellationToken)
    {
        var bytes = new byte[MostText];
        var read = await data.ReadAtLeastAsync(bytes, MostText, throwOnEndOfStream: false, cancellationToken);
        return Encoding.UTF8.GetString(bytes, 0, read);
    }

    /// <summary>Ends with an error after a number of bytes.</summary>
    private sealed class BoundedStream(Stream inner, long left) : ReadOnlyStream
    {
        private long _left = left;

        public override int Read(byte[] buffer, int offset, int count) => Count(inner.Read(buffer, offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Count(await inner.ReadAsync(buffer, cancellationToken));

        private int Count(int read)
        {
            _left -= read;
            return _left >= 0 ? read : throw new InvalidDataException("the archive unpacks to more than the page reads");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
