namespace Gateway.Policy.Media;

/// <summary>Determines what decompressed bytes are, by their beginning and, for a tar archive, by all its headers.</summary>
internal sealed class FormReader
{
    private readonly byte[] _head = new byte[TarWalk.BlockLength];
    private readonly TarWalk _tar = new();
    private int _length;
    private ContentForm? _form;

    /// <summary>What the bytes are; set by <see cref="Finish"/>.</summary>
    public ContentForm Form => _form ?? ContentForm.Empty;

    /// <summary>Why clients could read an archive differently; null when they cannot.</summary>
    public string? Flaw => Form == ContentForm.Tar ? _tar.Flaw : null;

    /// <summary>Processes the next bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_form is null)
        {
            var count = Math.Min(bytes.Length, _head.Length - _length);
            bytes[..count].CopyTo(_head.AsSpan(_length));
            _length += count;
            if (_length == _head.Length) _form = FormOf(_head);
        }
        _tar.Write(_form is null or ContentForm.Tar ? bytes : []);
    }

    /// <summary>Ends the input.</summary>
    public void Finish()
    {
        if (_length > 0) _form ??= FormOf(_head.AsSpan(0, _length));
        _tar.Finish();
    }

    private static ContentForm FormOf(ReadOnlySpan<byte> head) =>
        TarWalk.IsHeader(head) || (head.Length == TarWalk.BlockLength && !head.ContainsAnyExcept((byte)0)) ? ContentForm.Tar
        : head.TrimStart(" \t\r\n"u8) is [(byte)'{', ..] ? ContentForm.Json // RFC 8259 §2
        : ContentForm.Other;
}
