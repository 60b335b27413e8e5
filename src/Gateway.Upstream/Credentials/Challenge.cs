using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>One challenge of a <c>WWW-Authenticate</c> header (RFC 9110 §11.6.1).</summary>
/// <param name="Scheme">The authentication scheme, in lower case.</param>
/// <param name="Parameters">The parameters: names in lower case, values without quotes.</param>
internal sealed record Challenge(string Scheme, ImmutableDictionary<string, string> Parameters)
{
    // Chosen: registries send at most three. Challenges beyond this number are ignored.
    private const int MostChallenges = 16;

    /// <summary>The value of a parameter; null if the challenge does not have it.</summary>
    public string? this[string parameter] => Parameters.GetValueOrDefault(parameter);

    /// <summary>
    /// Reads every challenge of every header. A header can have several challenges, and a quoted value can contain commas. A syntax error
    /// ends its header; the challenges before it count.
    /// </summary>
    public static IReadOnlyList<Challenge> Parse(IEnumerable<string> headers)
    {
        var found = new List<Challenge>();
        foreach (var header in headers) new Reader(header).ReadInto(found);
        return found;
    }

    private ref struct Reader(ReadOnlySpan<char> rest)
    {
        private ReadOnlySpan<char> _rest = rest;

        public void ReadInto(List<Challenge> found)
        {
            SkipCommas();
            while (found.Count < MostChallenges && ReadToken() is { Length: > 0 } scheme)
            {
                var parameters = ImmutableDictionary.CreateBuilder<string, string>();
                SkipSpaces();
                SkipToken68();
                while (TryReadParameter(out var name, out var value)) parameters[name] = value;
                found.Add(new Challenge(scheme.ToLowerInvariant(), parameters.ToImmutable()));
                SkipCommas();
            }
        }

        /// <summary>
        /// Reads one parameter. A token is a parameter's name only if <c>=</c> follows it; otherwise it is the next scheme and is not
        /// consumed.
        /// </summary>
        private bool TryReadParameter(out string name, out string value)
        {
            var before = _rest;
            value = "";
            SkipCommas();
            name = ReadToken().ToLowerInvariant();
            SkipSpaces();
            if (name.Length > 0 && Take('='))
            {
                SkipSpaces();
                value = Take('"') ? QuotedString.Take(ref _rest) : ReadToken();
                SkipSpaces();
                return true;
            }
            _rest = before;
            return false;
        }

        /// <summary>Skips a token68, which Negotiate sends instead of parameters: a comma or the end of the header follows it.</summary>
        private void SkipToken68()
        {
            var end = _rest.IndexOfAny(" \t,");
            if (end < 0) end = _rest.Length;
            var after = _rest[end..].TrimStart(" \t");
            if ((after.IsEmpty || after[0] == ',') && !_rest[..end].TrimEnd('=').ContainsAny('=', '"')) _rest = after;
        }

        private string ReadToken()
        {
            var length = _rest.IndexOfAny(" \t,=\"");
            if (length < 0) length = _rest.Length;
            var token = _rest[..length].ToString();
            _rest = _rest[length..];
            return token;
        }

        private bool Take(char c)
        {
            if (_rest.IsEmpty || _rest[0] != c) return false;
            _rest = _rest[1..];
            return true;
        }

        private void SkipSpaces() => _rest = _rest.TrimStart(" \t");

        private void SkipCommas() => _rest = _rest.TrimStart(" \t,");
    }
}
