using System.Text.Json.Serialization;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <param name="Reference"><c>repository:tag</c>.</param>
/// <param name="Reason">Why, in one line; it is in the audit log, and noted with a released manifest.</param>
/// <param name="Digest">The manifest that must still be held; null when that does not matter.</param>
internal sealed record HoldRequest(
    string Reference, string Reason,
    // An older gateway refuses members that it does not know.
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Digest = null);

/// <param name="Digest">The manifest of the held push.</param>
/// <param name="Problem">Why nothing was done; null if it was.</param>
internal sealed record HoldResult(string Reference, string? Digest, string? Problem);

/// <summary>Held pushes in the admin API: listing, releasing and dropping them.</summary>
internal sealed class HoldsApi(ICurrent<RepositoryRouter> current, HoldPages page) : IAdminNoun
{
    /// <summary>Most characters of a reason.</summary>
    public const int MaxReason = 300;

    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.HoldPage.By(async (query, stop) =>
            await page.ReadAsync(Viewer.Operator, PageQueries.Text(query, "repository"), PageQueries.Text(query, "last"), stop)),
        AdminCalls.Release.By((context, request) => AnswerAsync(context, request, isRelease: true)),
        AdminCalls.Drop.By((context, request) => AnswerAsync(context, request, isRelease: false)),
    ];

    private async Task AnswerAsync(HttpContext context, HoldRequest request, bool isRelease)
    {
        context.Features.Set(new AdminSubject($"{request.Reference}: {request.Reason}"));
        var result = await EndAsync(Viewer.Operator.In, request, isRelease, context.RequestAborted);
        var status = result.Problem is null ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
        await AdminApi.WriteAsync(context, status, result, AdminJson.Default.HoldResult);
    }

    /// <summary>Releases or drops the held push of a tag.</summary>
    /// <param name="callerOf">The caller in a repository, by the repository's canonical name.</param>
    /// <param name="isRelease">Whether to release it; otherwise it is dropped.</param>
    public async ValueTask<HoldResult> EndAsync(
        Func<RepositoryName, Caller> callerOf, HoldRequest request, bool isRelease, CancellationToken cancellationToken)
    {
        if (WrittenReference.Parse(request.Reference) is not { What: { IsDigest: false, Tag: var tag }, Name: var name })
            return new(request.Reference, null, $"expected repository:tag, got '{Printable.Line(request.Reference, 120)}'");
        if (string.IsNullOrWhiteSpace(request.Reason) || request.Reason.Length > MaxReason)
            return new(request.Reference, null, $"expected a reason of 1 to {MaxReason} characters, got {request.Reason.Length}");
        if (request.Digest is { } written && !Digest.TryParse(written, out _))
            return new(request.Reference, null, $"expected a digest such as sha256:…, got '{Printable.Line(written, 120)}'");
        Digest? held = request.Digest is { } known ? Digest.Parse(known) : null;
        if (current.Value.Route(name) is not { Repository: { } repository, CanonicalName: var canonical })
            return new(request.Reference, null, $"no repository {name}; run gateway repos to list repositories");
        var caller = callerOf(canonical);
        var answer = isRelease
            ? await repository.ReleaseHeldAsync(caller, tag, held, request.Reason, cancellationToken)
            : await repository.DropHeldAsync(caller, tag, held, cancellationToken);
        return answer switch
        {
            Answer<HeldPush>.Found { Value.Digest: var digest } => new(request.Reference, digest.ToString(), null),
            Answer<HeldPush>.Invalid no => new(request.Reference, null, no.Message),
            Answer<HeldPush>.Unavailable no => new(request.Reference, null, no.Why),
            Answer<HeldPush>.Superseded => new(request.Reference, null, "the tag or the configuration changed meanwhile; try again"),
            _ => new(request.Reference, null, $"{request.Reference} has no held push; run gateway holds to list them"),
        };
    }
}
