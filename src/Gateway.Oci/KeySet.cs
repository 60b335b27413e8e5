using System.Text;

namespace Gateway.Oci;

/// <summary>The known keys of one kind of JSON object; at most 32.</summary>
public sealed class KeySet(params string[] names)
{
    /// <summary>Has no known key.</summary>
    public static readonly KeySet None = new();

    private readonly byte[][] _utf8 = [.. names.Select(Encoding.UTF8.GetBytes)];
    private readonly string[] _folded = [.. names.Select(Fold)];

    /// <summary>The name at a position.</summary>
    public string this[int index] => names[index];

    /// <summary>Position of a key, compared byte by byte; -1 for an unknown key.</summary>
    public int IndexOf(ReadOnlySpan<byte> utf8)
    {
        for (var i = 0; i < _utf8.Length; i++)
        {
            if (utf8.SequenceEqual(_utf8[i])) return i;
        }
        return -1;
    }

    /// <summary>Position of a key; -1 for an unknown key.</summary>
    public int IndexOf(string name) => Array.IndexOf(names, name);

    /// <summary>The known key that a case-folding reader takes this key for; null when there is none.</summary>
    public string? FoldsTo(string folded) => Array.IndexOf(_folded, folded) is >= 0 and var i ? names[i] : null;

    /// <summary>
    /// Folds a key as Go's encoding/json does when it looks for a field (bytes.EqualFold): ASCII letters, and the two other characters
    /// whose simple fold is an ASCII letter. No comparison of .NET does this.
    /// </summary>
    public static string Fold(string name) => string.Create(name.Length, name, static (folded, from) =>
    {
        for (var i = 0; i < folded.Length; i++)
        {
            folded[i] = from[i] switch { 'ſ' => 's', '\u212A' => 'k', var c => char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c };
        }
    });
}
