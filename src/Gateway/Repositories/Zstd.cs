using System.Runtime.InteropServices;
using Gateway.Policy.Media;

namespace Gateway.Repositories;

/// <summary>Unpacks zstd frames (RFC 8878) by libzstd, whose every check holds: nothing may stand between or after the frames.</summary>
internal sealed partial class Zstd : IByteSource, IDisposable
{
    private const string Library = "libzstd.so.1";

    /// <summary>What the zstd command takes without being asked (2^27 bytes), so that a frame cannot ask for more memory.</summary>
    private const int MaxWindowLog = 27;

    private const int WindowLogMax = 100; // ZSTD_d_windowLogMax, zstd.h

    private readonly IByteSource _packed;
    private readonly byte[] _input = new byte[64 * 1024];
    private nint _stream;
    private int _from;
    private int _to;
    private bool _isWithinFrame;

    private Zstd(IByteSource packed, nint stream) => (_packed, _stream) = (packed, stream);

    /// <summary>Begins to unpack. Throws <see cref="DllNotFoundException"/> where libzstd is not installed.</summary>
    public static Zstd Unpack(IByteSource packed)
    {
        var zstd = new Zstd(packed, CreateDStream());
        if (zstd._stream == 0) throw new InsufficientMemoryException("libzstd found no memory to unpack with");
        _ = SetParameter(zstd._stream, WindowLogMax, MaxWindowLog);
        return zstd;
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_from < _to || _isWithinFrame)
            {
                if (Unpack(buffer.Span) is > 0 and var written) return written;
            }
            if (_from < _to) continue;
            (_from, _to) = (0, await _packed.ReadAsync(_input, cancellationToken));
            if (_to > 0) continue;
            return _isWithinFrame ? throw new InvalidDataException("not zstd that can be unpacked: it is cut short") : 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = FreeDStream(_stream);
        _stream = 0;
    }

    private unsafe int Unpack(Span<byte> to)
    {
        fixed (byte* input = _input, output = to)
        {
            var packed = new Part(input, (nuint)_to, (nuint)_from);
            var unpacked = new Part(output, (nuint)to.Length, 0);
            var result = DecompressStream(_stream, ref unpacked, ref packed);
            if (IsError(result) != 0)
                throw new InvalidDataException($"not zstd that can be unpacked: {Marshal.PtrToStringAnsi(GetErrorName(result))}");
            _from = (int)packed.Position;
            _isWithinFrame = result != 0;
            return (int)unpacked.Position;
        }
    }

    // ZSTD_inBuffer and ZSTD_outBuffer, zstd.h
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Part(byte* bytes, nuint size, nuint position)
    {
        public byte* Bytes = bytes;
        public nuint Size = size;
        public nuint Position = position;
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createDStream")]
    private static partial nint CreateDStream();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDStream")]
    private static partial nuint FreeDStream(nint stream);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_setParameter")]
    private static partial nuint SetParameter(nint stream, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    private static partial nuint DecompressStream(nint stream, ref Part output, ref Part input);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint GetErrorName(nuint code);
}
