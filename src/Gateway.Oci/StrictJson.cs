using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Oci;

/// <summary>Ends the reading of a refused document. <see cref="ManifestReader"/> catches it; no other caller sees it.</summary>
public sealed class ManifestProblemException(string code, string message) : Exception(message)
{
    /// <summary>What is wrong, for the client.</summary>
    public ManifestProblem Problem => new(code, Printable.Line(Message));
}

/// <summary>
/// Reads, in one pass, only JSON that every reader interprets in the same way: no duplicate keys at any level, no keys that differ only in
/// case, no lone surrogates, no invalid UTF-8, nothing around the document. Go's reader accepts <c>Layers</c> for <c>layers</c> and takes
/// the last of two keys; other readers do not. A <c>null</c> counts as an absent member.
/// </summary>
public ref struct StrictJson
{
    // Real documents have a handful. The limit bounds the memory for 4 MiB of tiny keys.
    private const int MaxUnknownKeys = 10_000;

    private readonly int _maxDepth;
    private readonly (string? Name, int Index)[] _path;
    private Utf8JsonReader _reader;
    private int _depth;
    private int _unknownKeys;

    /// <summary>Starts at the document's first token.</summary>
    public StrictJson(ReadOnlySpan<byte> utf8, int maxDepth)
    {
        _maxDepth = maxDepth;
        _path = new (string?, int)[maxDepth];
        // One more than the gateway's limit, so that the gateway reports it. Comments and trailing commas are off by default.
        _reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth + 1 });
        if (utf8.StartsWith("\uFEFF"u8)) throw Problem(ProblemCodes.NotJson, "expected JSON, got a byte order mark at its start");
        if (!System.Text.Unicode.Utf8.IsValid(utf8)) throw Problem(ProblemCodes.NotJson, "expected UTF-8, got invalid bytes");
        Advance();
    }

    /// <summary>Position of the reader in an object, and the keys seen so far.</summary>
    public struct Keys(KeySet known)
    {
        internal readonly KeySet Known = known;
        internal uint Seen;
        internal HashSet<string>? Others;

        /// <summary>Whether a known key was present, also with <c>null</c>.</summary>
        public readonly bool Has(string name) => (Seen & (1u << Known.IndexOf(name))) != 0;

        /// <summary>Whether an unknown key was present.</summary>
        public readonly bool HasUnknown => Others is not null;
    }

    /// <summary>Enters the object at the current token.</summary>
    public Keys OpenObject(KeySet known)
    {
        if (_reader.TokenType != JsonTokenType.StartObject) throw Expected("an object");
        Enter();
        return new Keys(known);
    }

    /// <summary>
    /// Moves to the value of the next known key that has a value, and returns the key; null after the last. Checks and skips unknown
    /// members.
    /// </summary>
    public string? NextKey(ref Keys keys)
    {
        while (true)
        {
            Advance();
            if (_reader.TokenType == JsonTokenType.EndObject)
            {
                _depth--;
                return null;
            }
            if (Take(ref keys) is not { } name) SkipValue();
            else if (_reader.TokenType != JsonTokenType.Null) return name;
        }
    }

    // Checks the current key and moves to its value; null for an unknown key.
    private string? Take(ref Keys keys)
    {
        var index = _reader.ValueIsEscaped ? keys.Known.IndexOf(Text()) : keys.Known.IndexOf(_reader.ValueSpan);
        if (index < 0) return TakeUnknown(ref keys);
        if ((keys.Seen & (1u << index)) != 0)
            throw Problem(ProblemCodes.DuplicateKey, $"expected the key {keys.Known[index]} once, got it twice");
        keys.Seen |= 1u << index;
        Step(keys.Known[index]);
        return keys.Known[index];
    }

    private string? TakeUnknown(ref Keys keys)
    {
        var name = Text();
        var folded = KeySet.Fold(name);
        if (keys.Known.FoldsTo(folded) is { } meant)
            throw Problem(ProblemCodes.AmbiguousKey, $"the key {Printable.Quote(name)} is {meant} to some readers and unknown to others");
        if (++_unknownKeys > MaxUnknownKeys)
            throw Problem(ProblemCodes.LimitKeys, $"expected at most {MaxUnknownKeys} keys that the image-spec does not know, got more");
        if (!(keys.Others ??= new(StringComparer.Ordinal)).Add(folded))
            throw Problem(
                ProblemCodes.DuplicateKey, $"expected the key {Printable.Quote(name)} once, got it twice or in another case");
        Step(name);
        return null;
    }

    private void Step(string name)
    {
        _path[_depth - 1] = (name, 0);
        Advance();
    }

    /// <summary>Enters an object whose keys are data. The caller, which collects the keys, refuses duplicates.</summary>
    public void OpenMap() => OpenObject(KeySet.None);

    /// <summary>Moves to the next member of such an object; false after the last.</summary>
    public bool NextMember(out string name, out string value)
    {
        (name, value) = ("", "");
        Advance();
        if (_reader.TokenType == JsonTokenType.EndObject)
        {
            _depth--;
            return false;
        }
        name = Text();
        Step(name);
        value = TextValue();
        return true;
    }

    /// <summary>Enters the array at the current token.</summary>
    public void OpenArray()
    {
        if (_reader.TokenType != JsonTokenType.StartArray) throw Expected("an array");
        Enter();
    }

    /// <summary>Moves to the next item of the array; false after the last.</summary>
    public bool NextItem()
    {
        Advance();
        _path[_depth - 1].Index++;
        if (_reader.TokenType != JsonTokenType.EndArray) return true;
        _depth--;
        return false;
    }

    /// <summary>The string at the current token.</summary>
    public string TextValue() => _reader.TokenType == JsonTokenType.String ? Text() : throw Expected("a string");

    /// <summary>
    /// The whole number at the current token, without fraction and exponent, at most 2^53-1: readers that use doubles represent it exactly
    /// (RFC 8259 §6).
    /// </summary>
    public long WholeNumber()
    {
        const long max = (1L << 53) - 1;
        if (_reader.TokenType == JsonTokenType.Number && !_reader.ValueSpan.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && _reader.TryGetInt64(out var number) && number <= max) return number;
        throw Expected($"a whole number from 0 to {max}");
    }

    /// <summary>As <see cref="WholeNumber"/>, but accepts a string too: the JSON of protobuf writes 64-bit numbers so.</summary>
    public long WholeNumberOrText()
    {
        if (_reader.TokenType != JsonTokenType.String) return WholeNumber();
        return long.TryParse(TextValue(), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Expected("a whole number");
    }

    /// <summary>The time of RFC 3339 at the current token, truncated to 100 ns, .NET's precision.</summary>
    public DateTimeOffset Moment() =>
        Moments.Parse(TextValue()) ?? throw Expected("a moment such as 2021-12-18T20:59:59Z");

    /// <summary>The bytes of the base64 string at the current token, at most <paramref name="max"/>.</summary>
    public byte[] Base64(int max)
    {
        if (_reader.TokenType != JsonTokenType.String) throw Expected("a string in base64");
        // Measured without escapes: some writers escape every plus and slash.
        var text = Encoding.UTF8.GetBytes(Text());
        if (text.Length / 4 * 3 > max + 3) throw Problem(ProblemCodes.LimitData, $"expected at most {max} bytes of inline data, got more");
        var bytes = new byte[text.Length / 4 * 3 + 3];
        var status = System.Buffers.Text.Base64.DecodeFromUtf8(text, bytes, out _, out var length);
        if (status != System.Buffers.OperationStatus.Done) throw Expected("a string in base64");
        if (length > max) throw Problem(ProblemCodes.LimitData, $"expected at most {max} bytes of inline data, got more");
        return bytes[..length];
    }

    /// <summary>Checks the current value and skips it.</summary>
    public void SkipValue()
    {
        if (_reader.TokenType == JsonTokenType.StartObject)
        {
            var keys = OpenObject(KeySet.None);
            NextKey(ref keys);
        }
        else if (_reader.TokenType == JsonTokenType.StartArray)
        {
            OpenArray();
            while (NextItem()) SkipValue();
        }
        else if (_reader.TokenType == JsonTokenType.String && _reader.ValueIsEscaped)
        {
            Text();
        }
    }

    /// <summary>Skips the current value without checking its keys, and returns its bytes.</summary>
    public Range SkipUnchecked()
    {
        var start = (int)_reader.TokenStartIndex;
        try
        {
            _reader.Skip();
        }
        catch (JsonException e)
        {
            throw Problem(ProblemCodes.NotJson, "expected JSON: " + e.Message);
        }
        return start..(int)_reader.BytesConsumed;
    }

    /// <summary>Requires that nothing follows the document.</summary>
    public void End()
    {
        if (Read()) throw Problem(ProblemCodes.NotJson, "expected nothing after the document, got more bytes");
    }

    /// <summary>A problem with the current value.</summary>
    public readonly ManifestProblemException Expected(string what, string code = ProblemCodes.FieldInvalid) =>
        Problem(code, $"expected {what}, got {Found()}");

    /// <summary>A problem at the current position.</summary>
    public readonly ManifestProblemException Problem(string code, string message)
    {
        var path = Path();
        return new ManifestProblemException(code, path.Length == 0 ? message : $"{path}: {message}");
    }

    private readonly string Found() => _reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "the string " + Printable.Quote(_reader.ValueSpan),
        _ => Printable.Quote(_reader.ValueSpan),
    };

    private readonly string Path()
    {
        var path = new StringBuilder();
        foreach (var (name, index) in _path.AsSpan(0, Math.Min(_depth, _path.Length)))
        {
            if (name is not null) path.Append(path.Length == 0 ? "" : ".").Append(Printable.Line(name, 64));
            else if (index >= 0) path.Append('[').Append(index).Append(']');
        }
        return path.ToString();
    }

    private void Enter()
    {
        if (_depth == _maxDepth) throw Problem(ProblemCodes.LimitDepth, $"expected at most {_maxDepth} levels of nesting, got more");
        _path[_depth++] = (null, -1);
    }

    private void Advance()
    {
        if (!Read()) throw Problem(ProblemCodes.NotJson, "expected JSON, got nothing");
    }

    private bool Read()
    {
        try
        {
            return _reader.Read();
        }
        catch (JsonException e)
        {
            throw Problem(ProblemCodes.NotJson, "expected JSON: " + e.Message);
        }
    }

    private readonly string Text()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // The bytes are valid UTF-8, so the cause is an escape for half of a surrogate pair.
            throw Problem(ProblemCodes.NotJson, "expected text, got half of a surrogate pair");
        }
    }
}
