using System.Globalization;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;

namespace Gateway.Registry;

/// <summary>Error responses: one body with one code (distribution-spec, "Error Codes").</summary>
internal static class Refusals
{
    // The default: long enough to spare a gateway in trouble, short enough for a client's own limit (containerd gives a
    // pull 30 s).
    private static readonly TimeSpan DefaultRetryAfter = TimeSpan.FromSeconds(5);

    // RFC 9110 §15.6.3: "received an invalid response from an inbound server". Without Retry-After: later it would be the same.
    private const int BadGateway = 502;

    /// <summary>Answers with a code, and with its usual status unless another one is given. The audit log gets the line first.</summary>
    public static async Task FailAsync(this Exchange x, RegistryErrorCode code, string message, string? detail = null, int? status = null)
    {
        if (code == RegistryErrorCode.TOOMANYREQUESTS && x.Response.Headers.RetryAfter.Count == 0) x.RetryAfter(DefaultRetryAfter);
        (x.Record.ErrorCode, x.Record.Status) = (code.ToString(), status ?? RegistryError.StatusOf(code));
        await x.Audit.WriteAsync(x.Record);
        await x.WriteAsync(x.Record.Status, "application/json", new RegistryError(code, message, detail).ToJson());
    }

    /// <summary>Translates an answer of the gate that is not a value: the only place that does.</summary>
    /// <param name="absent">The noun's code for content that is not stored.</param>
    /// <param name="unknown">The message for that, if the request's target does not name what is missing.</param>
    public static Task RefuseAsync<T>(this Exchange x, Answer<T> answer, RegistryErrorCode absent, string? unknown = null)
    {
        x.Handling = answer.Handling;
        return answer switch
        {
            { SparesPushers: true } when MayHaveMoreToShow(x) => x.ChallengeAsync(RegistryFace.LogIn),
            Answer<T>.Absent when IsRefusedByUpstream(x) => x.RefuseShownAsync(),
            Answer<T>.Absent => x.FailAsync(absent, unknown ?? Unknown(x, absent)),
            Answer<T>.Hidden hidden => x.DenyAsync(hidden.Decision),
            Answer<T>.Refused refused => x.DenyAsync(refused.Decision),
            Answer<T>.Invalid invalid => x.FailAsync(invalid.Code, invalid.Message, invalid.Detail, StatusOf(invalid.Cause)),
            Answer<T>.Unavailable { Handling.IsFinal: true } bad => x.FailAsync(UnusableCode(absent), bad.Why, status: BadGateway),
            Answer<T>.Unavailable unavailable => x.UnavailableAsync(unavailable.Why, unavailable.RetryAfter),
            _ => throw new ArgumentException($"expected a refusal, got {answer.GetType().Name}", nameof(answer)),
        };
    }

    /// <summary>A refusal by policy. Never a challenge: clients would log in and try again.</summary>
    public static Task DenyAsync(this Exchange x, Decision decision)
    {
        x.Note(decision);
        var end = $"; decision {decision.Id}";
        var line = Printable.Line(decision.Message, Printable.MaxMessage - end.Length);
        var url = x.Snapshot.Options.Policy?.ExplainUrl ?? $"{x.BaseUrl}/-/decisions/{{id}}";
        url = url.Replace("{id}", decision.Id, StringComparison.Ordinal);
        return x.FailAsync(RegistryErrorCode.DENIED, line + end, $"decision={decision.Id} url={url}");
    }

    /// <summary>503, and when to try again.</summary>
    public static Task UnavailableAsync(this Exchange x, string why, TimeSpan? retryAfter = null)
    {
        x.RetryAfter(retryAfter ?? DefaultRetryAfter);
        return x.FailAsync(RegistryErrorCode.UNAVAILABLE, why);
    }

    private static void RetryAfter(this Exchange x, TimeSpan after)
    {
        var seconds = Math.Max(1, (long)Math.Ceiling(after.TotalSeconds));
        x.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>401 with the one challenge (docs/access.md): clients send Basic credentials as they are, which an upstream needs.</summary>
    public static Task ChallengeAsync(this Exchange x, string message)
    {
        x.Response.Headers.WWWAuthenticate = x.Snapshot.PassesCredentialsOn
            ? $"Basic realm=\"{x.Authority}\""
            : $"Bearer realm=\"{x.BaseUrl}/token\",service=\"{x.Authority}\"";
        return x.FailAsync(RegistryErrorCode.UNAUTHORIZED, message);
    }

    // Some clients send credentials only after a challenge (docker with containerd's store, buildx, notation), and continue with an
    // anonymous token if they have none; such a caller gets the usual refusal. A listener without writes has no pushers.
    private static bool MayHaveMoreToShow(Exchange x) =>
        x.Identity is Identity.Anonymous && x.Request.Headers.Authorization.Count == 0 && !x.Listener.PullOnly
        && !x.Snapshot.Access.IsOpen && !x.Snapshot.PassesCredentialsOn;

    // The upstream's own answer to this client, whatever the gateway has stored.
    private static bool IsRefusedByUpstream(Exchange x) =>
        x.Handling is { UpstreamStatus: 401 or 403, Upstream: { } key }
        && x.Snapshot.Options.Upstreams.GetValueOrDefault(key)?.Auth == UpstreamAuth.Passthrough;

    private static async Task RefuseShownAsync(this Exchange x)
    {
        var name = x.Target.Repository;
        if (x.Shown is not null) await x.Snapshot.Access.HoldBackAsync(x.RemoteAddress, x.Aborted);
        await (x.Handling.UpstreamStatus == 401
            ? x.ChallengeAsync($"{x.Handling.Upstream} shows {name} only to accounts with access; log in with your account there")
            : x.FailAsync(RegistryErrorCode.DENIED, $"{x.Handling.Upstream} refuses {name} to your account"));
    }

    private static int? StatusOf(InvalidCause cause) => cause switch
    {
        InvalidCause.NotSupportedHere => StatusCodes.Status405MethodNotAllowed,
        InvalidCause.TooLarge => StatusCodes.Status413PayloadTooLarge,
        InvalidCause.MediaType => StatusCodes.Status415UnsupportedMediaType,
        _ => null,
    };

    /// <summary>What is missing, and what is likely wrong.</summary>
    public static string WithHint(this Exchange x, string unknown) => x.Hint is { } hint ? $"{unknown}: {hint}" : unknown;

    /// <summary>The code for content of an upstream that no client can use.</summary>
    private static RegistryErrorCode UnusableCode(RegistryErrorCode absent) => absent switch
    {
        RegistryErrorCode.MANIFEST_UNKNOWN => RegistryErrorCode.MANIFEST_INVALID,
        RegistryErrorCode.BLOB_UNKNOWN => RegistryErrorCode.DIGEST_INVALID,
        _ => RegistryErrorCode.UNSUPPORTED,
    };

    private static string Unknown(Exchange x, RegistryErrorCode code) => code switch
    {
        RegistryErrorCode.NAME_UNKNOWN => x.WithHint($"repository {x.Target.Repository} is not known here"),
        RegistryErrorCode.BLOB_UPLOAD_UNKNOWN => $"repository {x.Target.Repository} has no upload session {x.Target.Id}",
        RegistryErrorCode.BLOB_UNKNOWN => x.WithHint($"repository {x.Target.Repository} has no blob {x.Target.Reference}"),
        _ => x.WithHint($"repository {x.Target.Repository} has no manifest {x.Target.Reference}"),
    };
}
