using Gateway.Configuration;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;

namespace Gateway.Operations;

/// <summary>The policy in the admin API: its page, its verdicts, and what another policy would change.</summary>
internal sealed class PolicyApi(ICurrent<RepositoryRouter> current, PolicyTrial trial, PolicyPages page) : IAdminNoun
{
    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.PolicyPage.By(async (query, stop) =>
            await page.ReadAsync(PageQueries.Text(query, "search"), PageQueries.Trial(query), stop)),
        AdminCalls.Explain.By(async (context, question) =>
        {
            var explained = await trial.ExplainAsync(current.Value.Options, question, context.RequestAborted);
            await AdminApi.WriteAsync(context, StatusCodes.Status200OK, explained, AdminJson.Default.PolicyExplained);
        }),
        AdminCalls.Diff.By((context, comparison) => comparison.Problem is { } problem
            ? AdminApi.ProblemAsync(context, StatusCodes.Status400BadRequest, problem)
            : AdminApi.WriteLinesAsync(
                context, trial.DiffAsync(current.Value.Options, comparison, context.RequestAborted), AdminJson.Default.PolicyChange)),
    ];
}
