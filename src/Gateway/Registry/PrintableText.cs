namespace Gateway.Registry;

/// <summary>Text from elsewhere, made fit for a header, a log or a terminal: no new line, no escape sequence.</summary>
internal static class PrintableText
{
    /// <summary>Printable ASCII of at most this length: anything else becomes <c>?</c>, and what is cut ends in <c>...</c>.</summary>
    public static string Of(string text, int maxLength)
    {
        var fits = text.Length <= maxLength;
        if (fits && !text.AsSpan().ContainsAnyExceptInRange(' ', '~')) return text;
        return string.Create(fits ? text.Length : maxLength, (text, fits), static (span, state) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = state.text[i] is >= ' ' and <= '~' and var c ? c : '?';
            if (!state.fits) "...".CopyTo(span[^3..]);
        });
    }
}
