using System.Security.Cryptography;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;

namespace Gateway.Operations;

/// <summary>Why a request to the operator port is refused.</summary>
internal sealed record DoorProblem(int Status, string Message);

/// <summary>
/// Admits requests to the operator port: with a configured token, those that have it; without one, those of this machine that no web page
/// sent.
/// </summary>
/// <param name="tokenFile">Read at each request, so that a rotated token applies at once; null if none is required.</param>
internal sealed class OperatorDoor(string? tokenFile, TimeProvider clock)
{
    private readonly FailedLogins _failures = new(clock);

    /// <summary>Waits after a wrong token in the header as after a wrong password.</summary>
    public Task HoldBackAsync(HttpContext context, DoorProblem problem) =>
        problem.Status == StatusCodes.Status401Unauthorized && context.Request.Headers.Authorization.Count > 0
            ? HoldBackAsync(context)
            : Task.CompletedTask;

    /// <summary>Waits as after a wrong password, so that guessing the token is slow as well.</summary>
    public Task HoldBackAsync(HttpContext context) => _failures.DelayAsync(context.Connection.RemoteIpAddress, context.RequestAborted);

    /// <summary>Null if the request is admitted.</summary>
    public DoorProblem? ProblemOf(HttpRequest request)
    {
        if (WebPage.ProblemOf(request.Method, request.Headers, request.Host.Value ?? "") is { } page)
            return new(StatusCodes.Status403Forbidden, page);
        if (tokenFile is not null) return ProblemOfToken(request.Headers.Authorization.ToString());
        // With a token, any host is accepted: a page whose own name resolves to the gateway has no token.
        return WebPage.IsAddress(request.Host.Host) ? null : new(
            StatusCodes.Status403Forbidden,
            $"expected localhost or an address as Host, got {Printable.Line(request.Host.Host, 80)}; use 127.0.0.1");
    }

    /// <summary>Whether a text is the configured token. False where none is required, and while it cannot be read.</summary>
    public bool Accepts(string token)
    {
        try
        {
            return tokenFile is not null && IsSame(token, TokenFile.Read(tokenFile));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private DoorProblem? ProblemOfToken(string authorization)
    {
        const string Scheme = "Bearer ";
        try
        {
            var shown = authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim() : "";
            return IsSame(shown, TokenFile.Read(tokenFile!))
                ? null
                : new(StatusCodes.Status401Unauthorized, "expected Authorization: Bearer with the token of operator.tokenFile");
        }
        catch (IOException)
        {
            return new(StatusCodes.Status503ServiceUnavailable, "expected a token in operator.tokenFile, got none; add one");
        }
    }

    // By digests, so that the time reveals not even the token's length.
    private static bool IsSame(string shown, string expected) => CryptographicOperations.FixedTimeEquals(
        SHA256.HashData(Encoding.UTF8.GetBytes(shown)), SHA256.HashData(Encoding.UTF8.GetBytes(expected)));
}
