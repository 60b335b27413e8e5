using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;

namespace Gateway.Operations;

/// <summary>What the gateway does now, in the admin API: pushes that wait for an upstream, and the pages about the whole gateway.</summary>
internal sealed class StatusApi(
    ICurrent<RepositoryRouter> current, ForwardQueue forwards, OverviewPages overview, ActivityPages activity,
    ConfigurationPages configuration, ReplicaPages replicas)
    : IAdminNoun
{
    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.Forwards.By((_, _) => new(ForwardList.Of(forwards, current.Value))),
        AdminCalls.OverviewPage.By(async (query, stop) =>
            await overview.ReadAsync(Viewer.Operator, PageQueries.Text(query, "window"), stop)),
        AdminCalls.ActivityPage.By((query, _) => new(activity.Read(PageQueries.Text(query, "event"), PageQueries.Text(query, "actor")))),
        AdminCalls.ConfigurationPage.By((query, _) => new(configuration.Read(PageQueries.Text(query, "search")))),
        AdminCalls.ReplicaPage.By((_, _) => new(replicas.Read())),
    ];
}
