using Gateway.Policy.Media;
using ZstdSharp.Unsafe;

namespace Gateway.Repositories;

/// <summary>
/// Unpacks zstd frames (RFC 8878) with the managed port of libzstd, and keeps each of its checks: no other bytes are allowed between or
/// after the frames. The stream interface of the library is used because only it reports which check failed.
/// </summary>
internal sealed class Zstd : IByteSource, IDisposable
{
    /// <summary>
    /// The largest window, as a power of two: 128 MiB, which the zstd command accepts without an option. It bounds the memory that a frame
    /// can ask for.
    /// </summary>
    private const int MaxWindowLog = 27;

    private readonly IByteSource _packed;
    private readonly byte[] _input = new byte[64 * 1024];
    private unsafe ZSTD_DCtx_s* _stream;
    private int _from;
    private int _to;
    private bool _isWithinFrame;

    private unsafe Zstd(IByteSource packed, ZSTD_DCtx_s* stream)
    {
        _packed = packed;
        _stream = stream;
    }

    /// <summary>Starts to unpack. This method, and reading, throw <see cref="OutOfMemoryException"/> when no memory is available.</summary>
    public static unsafe Zstd Unpack(IByteSource packed)
    {
        var stream = Methods.ZSTD_createDCtx();
        if (stream is null) throw new InsufficientMemoryException("no memory is available to unpack zstd");
        _ = Methods.ZSTD_DCtx_setParameter(stream, ZSTD_dParameter.ZSTD_d_windowLogMax, MaxWindowLog);
        return new(packed, stream);
    }

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

    public unsafe void Dispose()
    {
        _ = Methods.ZSTD_freeDCtx(_stream);
        _stream = null;
    }

    private unsafe int Unpack(Span<byte> to)
    {
        fixed (byte* input = _input, output = to)
        {
            var packed = new ZSTD_inBuffer_s { src = input, size = (nuint)_to, pos = (nuint)_from };
            var unpacked = new ZSTD_outBuffer_s { dst = output, size = (nuint)to.Length };
            var result = Methods.ZSTD_decompressStream(_stream, &unpacked, &packed);
            if (Methods.ZSTD_isError(result))
                throw new InvalidDataException($"not zstd that can be unpacked: {Methods.ZSTD_getErrorName(result)}");
            _from = (int)packed.pos;
            _isWithinFrame = result != 0;
            return (int)unpacked.pos;
        }
    }
}
