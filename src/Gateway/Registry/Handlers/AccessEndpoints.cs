using System.Text;
using Gateway.Access;
using Gateway.Repositories;
using Microsoft.AspNetCore.WebUtilities;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>The ping (distribution-spec, end-1), and the token endpoint.</summary>
internal static class AccessEndpoints
{
    // A token request is a few short fields.
    private const int MaxFormBytes = 16 * 1024;

    public static Task PingAsync(Exchange x) => x.WriteAsync(Status200OK, "application/json", "{}"u8.ToArray());

    public static async Task TokenAsync(Exchange x)
    {
        var answer = await ReadAsync(x) is { } request
            ? await x.Snapshot.Access.IssueTokenAsync(x.Request.Headers.Authorization, request, x.RemoteAddress, x.Aborted)
            : new TokenAnswer.Malformed("expected GET without grant_type, or POST with a form of at most 16 KiB and its Content-Length");
        x.Record.Actor = (answer as TokenAnswer.Issued)?.Actor ?? (answer as TokenAnswer.Refused)?.Account ?? Caller.Anonymous;
        x.Record.Login = "token";
        x.Response.Headers.CacheControl = "no-store";
        await (answer switch
        {
            TokenAnswer.Issued issued => x.WriteAsync(Status200OK, "application/json", issued.ToJson()),
            TokenAnswer.Refused refused => x.FailAsync(RegistryErrorCode.UNAUTHORIZED, refused.Reason),
            TokenAnswer.Unavailable unavailable => x.UnavailableAsync(unavailable.Why),
            TokenAnswer.Malformed malformed => x.FailAsync(RegistryErrorCode.UNSUPPORTED, malformed.Reason, status: Status400BadRequest),
            _ => throw new InvalidOperationException($"the token endpoint answered {answer.GetType().Name}"),
        });
    }

    private static async Task<TokenRequest?> ReadAsync(Exchange x)
    {
        // A secret in a query would be in the log of every proxy.
        if (!HttpMethods.IsPost(x.Request.Method)) return x.Request.Query.ContainsKey("grant_type") ? null : new();
        // The only form: no client sends a token request in several parts. It is UTF-8 whatever charset says (WHATWG URL, 5.1).
        var type = x.Request.ContentType?.Split(';')[0].Trim();
        var isForm = "application/x-www-form-urlencoded".Equals(type, StringComparison.OrdinalIgnoreCase);
        if (!isForm || x.Request.ContentLength is null) return null;
        using var receipt = RequestBody.Receive(x);
        if (await RequestBody.ReadAsync(x.Request, MaxFormBytes, receipt, x.Aborted) is not { } body) return null;
        try
        {
            using var form = new FormReader(Encoding.UTF8.GetString(body));
            return TokenRequest.From(form.ReadForm());
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }
}
