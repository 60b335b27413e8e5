using System.CommandLine;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway rollback</c>: binds a tag to an earlier manifest of its repository.</summary>
internal static class RollbackCommand
{
    public static Command Create()
    {
        var reference = new Argument<string>("REFERENCE") { Description = "repository:tag." };
        var to = new Option<string>("--to")
        {
            Description = "The digest of a manifest that the repository has.", HelpName = "DIGEST", Required = true,
        }.Expecting("a digest such as sha256:…", static text => Digest.TryParse(text, out _));
        const string description = "Binds a tag to a manifest that its repository has; the policy decides as for a push.";
        return AdminCommand.Create("rollback", description, [reference, to], async call =>
        {
            var result = await call.PostAsync(AdminCalls.Rollback, new(call.Value(reference), call.Value(to)!));
            return await call.WriteResultAsync(
                result, AdminJson.Default.RollbackResult, result.Problem, result.State == "held"
                    ? $"{result.Reference}: the policy holds {result.Digest}, as it would a push; the tag stays as it is"
                    : $"{result.Reference} is now {result.Digest}");
        });
    }
}
