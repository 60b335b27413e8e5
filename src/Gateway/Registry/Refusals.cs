using System.Globalization;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;

namespace Gateway.Registry;

/// <summary>Every answer that is an error: one body, one code (distribution-spec, "Error Codes").</summary>
internal static class Refusals
{
    // When nobody said how long: long enough to spare a gateway in trouble, short enough for a client's own patience (containerd gives a
    // pull 30 s).
    private static readonly TimeSpan DefaultRetryAfter = TimeSpan.FromSeconds(5);

    // RFC 9110 §15.6.3: "received an invalid response from an inbound server". Without Retry-After: later it would be the same.
    private const int BadGateway = 502;

    /// <summary>Answers with this code, its usual status unless another is given. The audit log is told before.</summary>
    public static async Task FailAsync(this Exchange x, RegistryErrorCode code, string message, string? detail = null, int? status = null)
    {
        if (code == RegistryErrorCode.TOOMANYREQUESTS && x.Response.Headers.RetryAfter.Count == 0) x.RetryAfter(DefaultRetryAfter);
        (x.Record.ErrorCode, x.Record.Status) = (code.ToString(), status ?? RegistryError.StatusOf(code));
        await x.Audit.WriteAsync(x.Record);
        await x.WriteAsync(x.Record.Status, "application/json", new RegistryError(code, message, detail).ToJson());
    }

    /// <summary>Answers what a repository gave in place of a value.</summary>
    /// <param name="absent">The noun's code for "not there".</param>
    /// <param name="unknown">What is told then, where the request's target does not name what is missing.</param>
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
            _ => throw new ArgumentException($"a refusal was expected, {answer.GetType().Name} came", nameof(answer)),
        };
    }

    /// <summary>Refused by policy. Never with a challenge: clients would log in again and ask again.</summary>
    public static Task DenyAsync(this Exchange x, Decision decision)
    {
        x.Note(decision);
        var end = $"; decision {decision.Id}";
        var line = Printable.Line(decision.Message, Printable.MaxMessage - end.Length);
        var url = x.Snapshot.Options.Policy?.ExplainUrl ?? $"{x.BaseUrl}/-/decisions/{{id}}";
        url = url.Replace("{id}", decision.Id, StringComparison.Ordinal);
        return x.FailAsync(RegistryErrorCode.DENIED, line + end, $"decision={decision.Id} url={url}");
    }

    /// <summary>Not now: 503, and when to ask again.</summary>
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

    // Some clients show credentials only where they are asked for them (docker with containerd's store, buildx, notation), and go on with a
    // token of nobody's where they have none: that is told what everybody is. At an address that takes no writes nobody is a pusher.
    private static bool MayHaveMoreToShow(Exchange x) =>
        x.Identity is Identity.Anonymous && x.Request.Headers.Authorization.Count == 0 && !x.Listener.PullOnly
        && !x.Snapshot.Access.IsOpen && !x.Snapshot.PassesCredentialsOn;

    // As the upstream said it to this client, whatever of it is kept here.
    private static bool IsRefusedByUpstream(Exchange x) =>
        x.Handling is { UpstreamStatus: 401 or 403, Upstream: { } key }
        && x.Snapshot.Options.Upstreams.GetValueOrDefault(key)?.Auth == UpstreamAuth.Passthrough;

    private static async Task RefuseShownAsync(this Exchange x)
    {
        var name = x.Target.Repository;
        if (x.Shown is not null) await x.Snapshot.Access.HoldBackAsync(x.RemoteAddress, x.Aborted);
        await (x.Handling.UpstreamStatus == 401
            ? x.ChallengeAsync($"{x.Handling.Upstream} gives {name} only to who may see it: log in with your account there")
            : x.FailAsync(RegistryErrorCode.DENIED, $"{x.Handling.Upstream} does not give you {name}"));
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

    /// <summary>For what an upstream has and nobody can use.</summary>
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
