using Gateway.Fronting;
using Gateway.Repositories;

namespace Gateway.Operations;

/// <summary>Pushes not yet forwarded to upstreams, and those that upstreams refused in the last day.</summary>
/// <param name="Waiting">Total number of waiting pushes.</param>
/// <param name="Forwards">The earliest of each repository first, at most <see cref="Most"/>.</param>
internal sealed record ForwardList(int Waiting, IReadOnlyList<ForwardEntry> Forwards)
{
    // A response of about 300 KB.
    private const int Most = 1000;

    public static ForwardList Of(ForwardQueue queue, RepositoryRouter router)
    {
        var all = queue.All().ToArray();
        return new(
            all.Count(f => f.Forward.IsWaiting),
            [
                .. all.Take(Most).Select(f => new ForwardEntry(
                    NameOf(f.Repository, router), f.Forward.Sequence, Moments.Text(f.Forward.At),
                    [.. f.Forward.Manifests.Select(m => m.ToString())], [.. f.Forward.Tags.Select(t => t.Tag.Value)],
                    f.Forward.IsWaiting ? "pending" : "refused", f.Forward.Refusal ?? queue.TroubleOf(f.Repository))),
            ]);
    }

    // The queue identifies repositories by folder: the upstream's key and its name for the repository.
    private static string NameOf(string path, RepositoryRouter router)
    {
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        return router.NameOf(path[..slash], RepositoryName.Parse(path.AsSpan(slash + 1)));
    }
}

/// <summary>One push.</summary>
/// <param name="Repository">The canonical name (<see cref="RepositoryRouter.NameOf"/>).</param>
/// <param name="State"><c>pending</c> or <c>refused</c>.</param>
/// <param name="Why">The refusal, or the failure of the last attempt for the repository's first push; null for none.</param>
internal sealed record ForwardEntry(
    string Repository, long Sequence, string At, IReadOnlyList<string> Manifests, IReadOnlyList<string> Tags, string State, string? Why);
