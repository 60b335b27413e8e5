using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>
/// The gates of repositories over stored content, under the configuration in force. A page that shows a repository therefore asks no
/// upstream, and spends none of its rate limit.
/// </summary>
internal sealed class StoredGates(ICurrent<RepositoryRouter> current, StoredRouter routers, SteadyClock steady, BlobContents contents)
{
    private volatile Made? _made;

    private sealed record Made(GatewayOptions Options, RepositoryRouter Router, VerdictCache Verdicts);

    /// <summary>The configuration in force.</summary>
    public GatewayOptions Options => Current().Options;

    /// <summary>The router over stored content.</summary>
    public RepositoryRouter Router => Current().Router;

    /// <summary>
    /// A repository as this person may see it; null when no route leads there, or the person has no right to pull. Only the operator sees
    /// what is cached for clients with credentials of their own.
    /// </summary>
    public (Routed Routed, Inspection Inspection)? Find(Viewer viewer, RepositoryName name)
    {
        var made = Current();
        var routed = made.Router.Route(name);
        if (routed.Repository is not { } repository || !viewer.In(routed.CanonicalName).MayPull) return null;
        var isPrivate = routed.Source is { } source && made.Options.Upstreams[source.Upstream].Auth == UpstreamAuth.Passthrough;
        return isPrivate && !viewer.IsOperator ? null : (routed, repository.Inspect(made.Verdicts));
    }

    /// <summary>The same by the text of a name; null too when it is no name.</summary>
    public (Routed Routed, Inspection Inspection)? Find(Viewer viewer, string repository) =>
        RepositoryName.TryParse(repository, out var name) ? Find(viewer, name) : null;

    private Made Current()
    {
        var options = current.Value.Options;
        if (_made is { } made && ReferenceEquals(made.Options, options)) return made;
        return _made = new(options, routers.Of(options, options.Policy, steady, contents), new());
    }
}
