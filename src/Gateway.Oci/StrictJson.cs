using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Oci;

/// <summary>The one way out of a document that is refused; caught by <see cref="ManifestReader"/> and seen by nobody else.</summary>
public sealed class ManifestProblemException(string code, string message) : Exception(message)
{
    /// <summary>What is wrong, for the client.</summary>
    public ManifestProblem Problem => new(code, Printable.Line(Message));
}

/// <summary>
/// Reads JSON that every reader takes in the same way, in one pass: no duplicate keys at any level, none that collide when case is folded,
/// no lone surrogates, no invalid UTF-8, nothing around the document. Go's reader takes <c>Layers</c> for <c>layers</c> and the last of
/// two; others do not. A <c>null</c> counts as an absent member.
/// </summary>
public ref struct StrictJson
{
    // Real documents have a handful; the bound keeps the memory of 4 MiB of tiny keys small.
    private const int MaxUnknownKeys = 10_000;

    private readonly int _maxDepth;
    private readonly (string? Name, int Index)[] _path;
    private Utf8JsonReader _reader;
    private int _depth;
    private int _unknownKeys;

    /// <summary>Starts on the document's first token.</summary>
    public StrictJson(ReadOnlySpan<byte> utf8, int maxDepth)
    {
        _maxDepth = maxDepth;
        _path = new (string?, int)[maxDepth];
        // One more than ours, so that the limit is reported by us; comments and trailing commas are off by default.
        _reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth + 1 });
        if (utf8.StartsWith("\uFEFF"u8)) throw Problem(ProblemCodes.NotJson, "expected JSON, got a byte order mark at its start");
        if (!System.Text.Unicode.Utf8.IsValid(utf8)) throw Problem(ProblemCodes.NotJson, "expected UTF-8, got bytes that are not");
        Advance();
    }

    /// <summary>Where in an object the reader is, and which keys were seen.</summary>
    public struct Keys(KeySet known)
    {
        internal readonly KeySet Known = known;
        internal uint Seen;
        internal HashSet<string>? Others;

        /// <summary>Whether a known key was there, also with <c>null</c>.</summary>
        public readonly bool Has(string name) => (Seen & (1u << Known.IndexOf(name))) != 0;

        /// <summary>Whether a key was there that is not known.</summary>
        public readonly bool HasUnknown => Others is not null;
    }

    /// <summary>Enters the object that the reader stands on.</summary>
    public Keys OpenObject(KeySet known)
    {
        if (_reader.TokenType != JsonTokenType.StartObject) throw Expected("an object");
        Enter();
        return new Keys(known);
    }

    /// <summary>
    /// Goes to the next known key that has a value, stands on the value and returns the key; null after the last. Unknown members are
    /// checked and left.
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

    // Checks the key the reader stands on and goes to its value; null for an unknown key.
    private string? Take(ref Keys keys)
    {
        var index = _reader.ValueIsEscaped ? keys.Known.IndexOf(Text()) : keys.Known.IndexOf(_reader.ValueSpan);
        if (index < 0) return TakeUnknown(ref keys);
        if ((keys.Seen & (1u << index)) != 0) throw Problem(ProblemCodes.DuplicateKey, $"the key {keys.Known[index]} stands there twice");
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
            throw Problem(ProblemCodes.LimitKeys, $"more than {MaxUnknownKeys} keys that the image-spec does not know");
        if (!(keys.Others ??= new(StringComparer.Ordinal)).Add(folded))
            throw Problem(
                ProblemCodes.DuplicateKey, $"the key {Printable.Quote(name)} stands there twice, at least to readers that fold case");
        Step(name);
        return null;
    }

    private void Step(string name)
    {
        _path[_depth - 1] = (name, 0);
        Advance();
    }

    /// <summary>Enters an object whose keys are data; only the same key twice is refused, by the caller who collects them.</summary>
    public void OpenMap() => OpenObject(KeySet.None);

    /// <summary>Goes to the next member of such an object; false after the last.</summary>
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

    /// <summary>Enters the array that the reader stands on.</summary>
    public void OpenArray()
    {
        if (_reader.TokenType != JsonTokenType.StartArray) throw Expected("an array");
        Enter();
    }

    /// <summary>Goes to the array's next item; false after the last.</summary>
    public bool NextItem()
    {
        Advance();
        _path[_depth - 1].Index++;
        if (_reader.TokenType != JsonTokenType.EndArray) return true;
        _depth--;
        return false;
    }

    /// <summary>The string that the reader stands on.</summary>
    public string TextValue() => _reader.TokenType == JsonTokenType.String ? Text() : throw Expected("a string");

    /// <summary>
    /// The whole number that the reader stands on, written plainly, at most 2^53-1: what readers that use doubles keep exactly (RFC 8259
    /// §6).
    /// </summary>
    public long WholeNumber()
    {
        const long max = (1L << 53) - 1;
        if (_reader.TokenType == JsonTokenType.Number && !_reader.ValueSpan.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && _reader.TryGetInt64(out var number) && number <= max) return number;
        throw Expected($"a whole number from 0 to {max}");
    }

    /// <summary>As <see cref="WholeNumber"/>, also written as a string: how protobuf's JSON writes 64 bits.</summary>
    public long WholeNumberOrText()
    {
        if (_reader.TokenType != JsonTokenType.String) return WholeNumber();
        return long.TryParse(TextValue(), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Expected("a whole number");
    }

    /// <summary>The moment of RFC 3339 that the reader stands on; what is finer than .NET's 100 ns is cut off.</summary>
    public DateTimeOffset Moment() =>
        Moments.Parse(TextValue()) ?? throw Expected("a moment such as 2021-12-18T20:59:59Z");

    /// <summary>The bytes of the base64 string that the reader stands on, at most <paramref name="max"/>.</summary>
    public byte[] Base64(int max)
    {
        if (_reader.TokenType != JsonTokenType.String) throw Expected("a string in base64");
        // Not as it is written: some writers escape every plus and slash.
        var text = Encoding.UTF8.GetBytes(Text());
        if (text.Length / 4 * 3 > max + 3) throw Problem(ProblemCodes.LimitData, $"expected at most {max} bytes of inline data");
        var bytes = new byte[text.Length / 4 * 3 + 3];
        var status = System.Buffers.Text.Base64.DecodeFromUtf8(text, bytes, out _, out var length);
        if (status != System.Buffers.OperationStatus.Done) throw Expected("a string in base64");
        if (length > max) throw Problem(ProblemCodes.LimitData, $"expected at most {max} bytes of inline data");
        return bytes[..length];
    }

    /// <summary>Checks the value that the reader stands on, and leaves it.</summary>
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

    /// <summary>Leaves the value that the reader stands on without a look at its keys, and says which bytes it is.</summary>
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

    /// <summary>Makes sure that nothing follows the document.</summary>
    public void End()
    {
        if (Read()) throw Problem(ProblemCodes.NotJson, "expected nothing after the document");
    }

    /// <summary>A problem with the value that the reader stands on.</summary>
    public readonly ManifestProblemException Expected(string what, string code = ProblemCodes.FieldInvalid) =>
        Problem(code, $"expected {what}, got {Found()}");

    /// <summary>A problem at the place where the reader is.</summary>
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
        if (_depth == _maxDepth) throw Problem(ProblemCodes.LimitDepth, $"nested deeper than {_maxDepth} levels");
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
            // The bytes are valid UTF-8, so it is an escape: half a surrogate pair.
            throw Problem(ProblemCodes.NotJson, "expected text, got half of a surrogate pair");
        }
    }
}
