using System.Security.Cryptography;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;

namespace Gateway.Operations;

/// <summary>Why a request to the operator's port is refused.</summary>
internal sealed record DoorProblem(int Status, string Message);

/// <summary>
/// Who may ask the operator's port: with a token configured, those who show it; without one, what runs on this machine and is no web page.
/// </summary>
/// <param name="tokenFile">Read at each request, so that a rotated token holds at once; null where nobody is asked.</param>
internal sealed class OperatorDoor(string? tokenFile)
{
    /// <summary>Null when the request may come in.</summary>
    public DoorProblem? ProblemOf(HttpRequest request)
    {
        if (WebPage.ProblemOf(request.Method, request.Headers, request.Host.Value ?? "") is { } page)
            return new(StatusCodes.Status403Forbidden, page);
        if (tokenFile is not null) return ProblemOfToken(request.Headers.Authorization.ToString());
        // With a token the host may be any: a page whose own name points here knows no token.
        return WebPage.IsAddress(request.Host.Host) ? null : new(
            StatusCodes.Status403Forbidden,
            $"expected localhost or an address as Host, got {Printable.Line(request.Host.Host, 80)}: ask for 127.0.0.1 itself");
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
            return new(StatusCodes.Status503ServiceUnavailable, "operator.tokenFile holds no token now, so that nobody can show it");
        }
    }

    // By digests, so that time tells not even the token's length.
    private static bool IsSame(string shown, string expected) => CryptographicOperations.FixedTimeEquals(
        SHA256.HashData(Encoding.UTF8.GetBytes(shown)), SHA256.HashData(Encoding.UTF8.GetBytes(expected)));
}
