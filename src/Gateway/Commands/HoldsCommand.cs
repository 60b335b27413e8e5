using System.CommandLine;
using Gateway.Operations;
using Gateway.Operations.ReadModels;

namespace Gateway.Commands;

/// <summary><c>gateway holds</c>: the held pushes of a gateway, and <c>holds release</c> and <c>holds drop</c>, which end one.</summary>
internal static class HoldsCommand
{
    public static Command Create()
    {
        var command = AdminCommand.Create("holds", "Lists the pushes that wait for evidence; releases or drops one.", [], async call =>
        {
            for (string? last = null; ;)
            {
                var query = last is null ? null : $"?last={Uri.EscapeDataString(last)}";
                var page = await call.Gateway.GetAsync(AdminCalls.HoldPage, query, call.CancellationToken);
                foreach (var row in page.Items) await call.WriteAsync(row, PageJson.Default.HoldRow, Line(row));
                if (page.Next is null) return 0;
                last = page.Next;
            }
        });
        const string release = "Makes a held push live although the policy holds it, and notes the reason.";
        command.Add(End("release", "released", AdminCalls.Release, release));
        command.Add(End("drop", "dropped", AdminCalls.Drop, "Ends a held push without making it live."));
        return command;
    }

    private static string Line(HoldRow row) =>
        $"{row.Repository}:{row.Tag}  {row.Digest}  by {row.Actor}, until {row.Expires.UtcDateTime:yyyy-MM-ddTHH:mmZ}: {row.Missing}";

    private static Command End(string verb, string done, AdminWrite<HoldRequest, HoldResult> end, string description)
    {
        var reference = new Argument<string>("REFERENCE") { Description = "repository:tag." };
        var reason = new Option<string>("--reason") { Description = "Why; it is written to the audit log.", Required = true };
        var digest = new Option<string?>("--digest")
        {
            Description = "What is held, as the list says: refuses if another push has replaced it since.",
        };
        return AdminCommand.Create(verb, description, [reference, digest, reason], async call =>
        {
            var result = await call.PostAsync(end, new(call.Value(reference), call.Value(reason)!, call.Value(digest)));
            return await call.WriteResultAsync(
                result, AdminJson.Default.HoldResult, result.Problem,
                $"{done} {result.Reference} ({result.Digest})");
        });
    }
}
