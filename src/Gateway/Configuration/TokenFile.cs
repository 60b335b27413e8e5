namespace Gateway.Configuration;

/// <summary>The file with the operator's token. It is read at each use, so that a rotated token applies at once.</summary>
internal static class TokenFile
{
    /// <summary>Minimum length: 16 random letters and digits have 95 bits, too many to guess over a network.</summary>
    private const int LeastLength = 16;

    /// <summary>Absolute path of a file that contains a token now.</summary>
    public static readonly Scalar<string> Setting = Scalars.FileThat("the path of a file with a token", static path => Read(path));

    /// <summary>The token, without the line ending.</summary>
    /// <exception cref="IOException">The file cannot be read, or contains no token; the message does not show its content.</exception>
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
            $"expected a token of at least {LeastLength} printable characters in one line in '{path}'; run: openssl rand -hex 32");
    }
}
