using Gateway.Operations.ReadModels;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <param name="Reference"><c>repository@digest</c>, or a repository for everything that was removed from it.</param>
internal sealed record RestoreRequest(string Reference);

/// <param name="Tags">Tags that were removed with it; push or copy the manifest to bind one again.</param>
internal sealed record RestoredItem(string Repository, string Digest, int Blobs, IReadOnlyList<string> Tags);

/// <param name="Problems">What could not be brought back, and why.</param>
internal sealed record RestoreResult(IReadOnlyList<RestoredItem> Restored, IReadOnlyList<string> Problems);

/// <summary>No options.</summary>
internal sealed record EmptyRequest;

/// <param name="Bytes">Deleted bytes.</param>
internal sealed record EmptiedTrash(long Bytes);

/// <summary>The trash in the admin API: listing, restoring, emptying.</summary>
internal sealed class TrashApi(TrashContents trash, TrashPages page) : IAdminNoun
{
    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.TrashPage.By((query, _) => new(page.Read(PageQueries.Text(query, "search"), PageQueries.Text(query, "last")))),
        AdminCalls.Trash.By(_ => trash.All().ToAsyncEnumerable()),
        AdminCalls.Restore.By(RestoreAsync),
        AdminCalls.EmptyTrash.By((context, _) => EmptyAsync(context)),
    ];

    private async Task RestoreAsync(HttpContext context, RestoreRequest request)
    {
        context.Features.Set(new AdminSubject($"restore {request.Reference}"));
        var (status, result, problem) = await RestoreAsync(request.Reference, context.RequestAborted);
        await (result is null
            ? AdminApi.ProblemAsync(context, status, problem!)
            : AdminApi.WriteAsync(context, status, result, AdminJson.Default.RestoreResult));
    }

    /// <summary>Brings back manifests: the status of the answer, and the result or the problem.</summary>
    /// <param name="reference">As in <see cref="RestoreRequest"/>.</param>
    public async Task<(int Status, RestoreResult? Result, string? Problem)> RestoreAsync(
        string reference, CancellationToken cancellationToken)
    {
        if (WrittenReference.Parse(reference) is not { } parsed || parsed.What is { IsDigest: false })
        {
            var got = Printable.Line(reference, 80);
            return (StatusCodes.Status400BadRequest, null,
                $"expected repository@digest or a repository, got '{got}'; list the trash for digests");
        }
        try
        {
            var report = await trash.RestoreAsync(parsed.Name, parsed.What?.Digest ?? default, cancellationToken);
            var restored = report.Restored.Select(static each =>
                new RestoredItem(each.Repository, each.Digest.ToString(), each.Blobs, each.Tags));
            var result = new RestoreResult([.. restored], report.Problems);
            var isGood = result.Restored.Count > 0 || result.Problems.Count == 0;
            return (isGood ? StatusCodes.Status200OK : StatusCodes.Status404NotFound, result, null);
        }
        catch (StoreReadOnlyException e)
        {
            return (StatusCodes.Status503ServiceUnavailable, null, e.Message);
        }
    }

    /// <summary>Deletes everything in the trash. Returns the bytes that were deleted.</summary>
    public Task<long> EmptyAsync() => Task.Run(() => trash.Empty());

    private async Task EmptyAsync(HttpContext context)
    {
        context.Features.Set(new AdminSubject("empty the trash"));
        var bytes = await EmptyAsync();
        await AdminApi.WriteAsync(context, StatusCodes.Status200OK, new EmptiedTrash(bytes), AdminJson.Default.EmptiedTrash);
    }
}
