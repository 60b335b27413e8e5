using System.Text;

namespace Gateway.Configuration;

/// <summary>Reads small text files whole; devices and pipes too.</summary>
internal static class BoundedFile
{
    /// <summary>Most bytes of a configuration or secret file: forty times an allowlist of a thousand types.</summary>
    private const int MaxBytes = 4 << 20;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="IOException">It cannot be read, is larger than 4 MiB, or is no UTF-8.</exception>
    public static string ReadText(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        var bytes = new byte[64 * 1024];
        var length = 0;
        while (file.Read(bytes, length, bytes.Length - length) is var read and > 0)
        {
            length += read;
            if (length > MaxBytes) throw new IOException($"'{path}' is larger than {MaxBytes} bytes");
            if (length == bytes.Length) Array.Resize(ref bytes, length * 2);
        }
        try
        {
            return Utf8.GetString(bytes, 0, length).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException)
        {
            throw new IOException($"'{path}' is not UTF-8 text");
        }
    }
}
