using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Bench;

/// <summary>
/// A client of HTTP/1.1 over one connection that costs little: bodies are read into one buffer and dropped, and sent by sendfile(2). On the
/// machine of docs/performance.md it reads 5 GB/s with 0.09 s of processor time per GB, which no server here reaches.
/// </summary>
internal sealed partial class Connection : IDisposable
{
    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly byte[] _buffer;
    private int _start;
    private int _end;

    private Connection(Socket socket, Stream stream, int buffer) => (_socket, _stream, _buffer) = (socket, stream, new byte[buffer]);

    /// <summary>The certificate that servers must show over TLS.</summary>
    public static string Thumbprint { get; set; } = "";

    /// <summary>The length of the body of the last answer.</summary>
    public long Length { get; private set; }

    /// <summary>The header Location of the last answer, as path and query; empty if it has none.</summary>
    public string Location { get; private set; } = "";

    /// <param name="isIdle">It will not be used, and has no buffer.</param>
    /// <exception cref="IOException">No server listens there.</exception>
    public static Connection Open(int port, bool tls = false, bool isIdle = false)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            return new(socket, tls ? Encrypted(stream) : stream, isIdle ? 0 : 256 * 1024);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"no connection to port {port}", e);
        }
    }

    /// <summary>Asks, and drops the body; the status.</summary>
    public int Get(string path, string headers = "")
    {
        Send("GET", path, headers);
        var status = ReadHead();
        ReadBody(Length);
        return status;
    }

    public void Send(string method, string path, string headers = "", ReadOnlySpan<byte> body = default)
    {
        var head = Encoding.ASCII.GetBytes($"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        _stream.Write(body.IsEmpty ? head : [.. head, .. body]);
    }

    /// <summary>Sends a part of a file, as the body of the request whose head was sent.</summary>
    public void SendFile(SafeFileHandle file, long offset, long length)
    {
        while (length > 0)
        {
            var sent = SendFile(_socket.SafeHandle, file, ref offset, (nuint)length);
            if (sent <= 0) throw new IOException($"expected to send {length} bytes more, got error {Marshal.GetLastPInvokeError()}");
            length -= sent;
        }
    }

    /// <summary>Reads the head of an answer; its status.</summary>
    public int ReadHead()
    {
        int end;
        while ((end = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (_start == _end) (_start, _end) = (0, 0);
            Fill();
        }
        var lines = Encoding.ASCII.GetString(_buffer, _start, end).Split("\r\n");
        _start += end + 4;
        (Length, Location) = (0, "");
        foreach (var line in lines)
        {
            if (line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                Length = long.Parse(line.AsSpan(15), CultureInfo.InvariantCulture);
            else if (line.StartsWith("Location:", StringComparison.OrdinalIgnoreCase))
                Location = new Uri(new("http://127.0.0.1"), line[9..].Trim()).PathAndQuery;
        }
        return int.Parse(lines[0].AsSpan(9, 3), CultureInfo.InvariantCulture);
    }

    /// <summary>Reads so many bytes of a body, in pieces.</summary>
    public void ReadBody(long length, Action<ReadOnlySpan<byte>>? each = null)
    {
        while (length > 0) length -= ReadPiece(length, each);
    }

    /// <summary>Reads at most so many bytes of a body; their number.</summary>
    public int ReadPiece(long most, Action<ReadOnlySpan<byte>>? each = null)
    {
        if (_start == _end)
        {
            (_start, _end) = (0, 0);
            Fill();
        }
        var count = (int)Math.Min(most, _end - _start);
        each?.Invoke(_buffer.AsSpan(_start, count));
        _start += count;
        return count;
    }

    public void Dispose() => _stream.Dispose();

    private void Fill()
    {
        var read = _stream.Read(_buffer, _end, _buffer.Length - _end);
        if (read == 0) throw new IOException("expected more of an answer, got the end of the connection");
        _end += read;
    }

    // One cipher for all servers: the client offers no other.
    private static SslStream Encrypted(Stream stream)
    {
        var encrypted = new SslStream(stream);
        encrypted.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            CipherSuitesPolicy = new([TlsCipherSuite.TLS_AES_128_GCM_SHA256]),
            // Each server has the certificate of this run, which no authority signed.
            RemoteCertificateValidationCallback = static (_, shown, _, _) => shown?.GetCertHashString() == Thumbprint,
        });
        return encrypted;
    }

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle to, SafeFileHandle from, ref long offset, nuint count);
}
