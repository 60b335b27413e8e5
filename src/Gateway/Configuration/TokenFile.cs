namespace Gateway.Configuration;

/// <summary>The file with the operator's token: read when it is shown or asked for, so that a rotated one holds at once.</summary>
internal static class TokenFile
{
    /// <summary>Fewest characters: 16 random letters and digits are 95 bits, which nobody guesses over a network.</summary>
    private const int LeastLength = 16;

    /// <summary>Absolute path of a file that holds a token now.</summary>
    public static readonly Scalar<string> Setting = new("the path of a file with a token", (text, reading) =>
    {
        if (text.Length == 0) return Parsed<string>.Not();
        var path = reading.Absolute(text);
        if (reading.Files is not null) return path;
        try
        {
            Read(path);
            return path;
        }
        catch (IOException problem)
        {
            return Parsed<string>.Not(problem.Message);
        }
    });

    /// <summary>The token, without the line's end.</summary>
    /// <exception cref="IOException">It cannot be read, or holds no token; the message does not show what it holds.</exception>
    public static string Read(string path)
    {
        try
        {
            var token = BoundedFile.ReadText(path).Trim();
            if (token.Length >= LeastLength && !token.AsSpan().ContainsAnyExceptInRange('!', '~')) return token;
        }
        catch (UnauthorizedAccessException problem)
        {
            throw new IOException(problem.Message, problem);
        }
        throw new IOException(
            $"expected a token in '{path}', {LeastLength} or more printable characters in one line, such as openssl rand -hex 32 writes");
    }
}
