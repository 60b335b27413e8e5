using System.CommandLine;
using Gateway.Operations;
using Gateway.Operations.ReadModels;

namespace Gateway.Commands;

/// <summary><c>gateway holds</c>: the held pushes of a gateway, and <c>holds release</c> and <c>holds drop</c>, which end one.</summary>
internal static class HoldsCommand
{
    public static Command Create()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var command = new Command("holds", "Lists the pushes that wait for evidence; releases or drops one.")
        {
            asked.Config, asked.Server, json,
            End("release", "Makes a held push live although the policy holds it, and notes the reason."),
            End("drop", "Ends a held push without making it live."),
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            for (string? last = null; ;)
            {
                var path = last is null ? "pages/holds" : $"pages/holds?last={Uri.EscapeDataString(last)}";
                var page = await gateway.GetAsync(path, PageJson.Default.HoldPage, cancellationToken);
                foreach (var row in page.Items)
                    await AdminCommand.WriteAsync(parsed, json, row, PageJson.Default.HoldRow, Line(row));
                if (page.Next is null) return 0;
                last = page.Next;
            }
        }));
        return command;
    }

    private static string Line(HoldRow row) =>
        $"{row.Repository}:{row.Tag}  {row.Digest}  by {row.Actor}, until {row.Expires.UtcDateTime:yyyy-MM-ddTHH:mmZ}: {row.Missing}";

    private static Command End(string verb, string description)
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var reference = new Argument<string>("REFERENCE") { Description = "repository:tag." };
        var reason = new Option<string>("--reason") { Description = "Why; it is written to the audit log.", Required = true };
        var command = new Command(verb, description) { reference, reason, asked.Config, asked.Server, json };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, async gateway =>
        {
            var request = new HoldRequest(parsed.GetRequiredValue(reference), parsed.GetRequiredValue(reason));
            var result = await gateway.PostAsync(
                $"holds/{verb}", request, AdminJson.Default.HoldRequest, AdminJson.Default.HoldResult, cancellationToken);
            return await AdminCommand.WriteResultAsync(
                parsed, json, result, AdminJson.Default.HoldResult, result.Problem,
                $"{(verb == "drop" ? "dropped" : "released")} {result.Reference} ({result.Digest})");
        }));
        return command;
    }
}
