using System.Text;

namespace Gateway.Configuration;

/// <summary>Reads small text files as a whole, including devices and pipes.</summary>
internal static class BoundedFile
{
    /// <summary>Maximum bytes of a configuration or secret file: forty times an allowlist of a thousand types.</summary>
    private const int MaxBytes = 4 << 20;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="IOException">The file cannot be read, is larger than 4 MiB, or is not UTF-8.</exception>
    public static string ReadText(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        var bytes = new byte[64 * 1024];
        var length = 0;
        while (file.Read(bytes, length, bytes.Length - length) is var read and > 0)
        {
            length += read;
            if (length > MaxBytes) throw new IOException($"expected a file of at most {MaxBytes} bytes, got a larger one: '{path}'");
            if (length == bytes.Length) Array.Resize(ref bytes, length * 2);
        }
        try
        {
            return Utf8.GetString(bytes, 0, length).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException)
        {
            throw new IOException($"expected UTF-8 text, got other bytes in '{path}'");
        }
    }
}
