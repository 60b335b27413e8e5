using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;

namespace Gateway.Operations;

/// <param name="Reference"><c>repository:tag</c>.</param>
/// <param name="Digest">The manifest to bind the tag to; the repository must have it.</param>
/// <param name="From">
/// What the tag must be bound to until then: a digest, or <c>none</c> when it must not be bound; null when that does not matter.
/// </param>
internal sealed record RollbackRequest(string Reference, string Digest, string? From = null);

/// <param name="State">
/// <c>live</c>: clients pull it by the tag. <c>held</c>: the policy holds it, as it would a push. Null after a problem.
/// </param>
/// <param name="Problem">Why nothing was done; null if it was.</param>
internal sealed record RollbackResult(string Reference, string Digest, string? State, string? Problem);

/// <summary>Rollback of a tag in the admin API: its plan, and the rollback itself.</summary>
internal sealed class RollbackApi(ICurrent<RepositoryRouter> current, Rollbacks plans) : IAdminNoun
{
    /// <summary>The value of <see cref="RollbackRequest.From"/> for a tag that must not be bound.</summary>
    public const string Unbound = "none";

    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.RollbackPage.By((query, stop) => plans.PlanAsync(
            Viewer.Operator, PageQueries.Named(query, "repository"), PageQueries.Named(query, "tag"), PageQueries.Named(query, "digest"),
            stop)),
        AdminCalls.Rollback.By(AnswerAsync),
    ];

    private async Task AnswerAsync(HttpContext context, RollbackRequest request)
    {
        context.Features.Set(new AdminSubject($"{request.Reference} to {request.Digest}"));
        var result = await RunAsync(Viewer.Operator.In, request, context.RequestAborted);
        var status = result.Problem is null ? StatusCodes.Status200OK : StatusCodes.Status409Conflict;
        await AdminApi.WriteAsync(context, status, result, AdminJson.Default.RollbackResult);
    }

    /// <summary>Binds a tag to a manifest that its repository has.</summary>
    /// <param name="callerOf">The caller in a repository, by the repository's canonical name.</param>
    public async ValueTask<RollbackResult> RunAsync(
        Func<RepositoryName, Caller> callerOf, RollbackRequest request, CancellationToken cancellationToken)
    {
        if (WrittenReference.Parse(request.Reference) is not { What: { IsDigest: false, Tag: var tag }, Name: var name })
            return Problem($"expected repository:tag, got '{Printable.Line(request.Reference, 120)}'");
        if (!Digest.TryParse(request.Digest, out var digest))
            return Problem($"expected a digest such as sha256:…, got '{Printable.Line(request.Digest, 120)}'");
        Digest? from = null;
        if (request.From is { Length: > 0 } text)
        {
            if (!Digest.TryParse(text, out var bound) && text != Unbound)
                return Problem($"from: expected a digest or {Unbound}, got '{Printable.Line(text, 120)}'");
            from = bound;
        }
        if (current.Value.Route(name) is not { Repository: { } repository, CanonicalName: var canonical })
            return Problem($"no repository {name}; run gateway repos to list repositories");
        var answer = await repository.RollBackAsync(callerOf(canonical), tag, digest, from, cancellationToken);
        return answer is Answer<PushedManifest>.Found found
            ? new(request.Reference, request.Digest, found.Standing == TagStanding.Pending ? "held" : "live", null)
            : Problem($"{name}@{digest} was not bound to {tag}: {StoredNames.Why(answer)}");

        RollbackResult Problem(string why) => new(request.Reference, Printable.Line(request.Digest, 140), null, why);
    }
}
