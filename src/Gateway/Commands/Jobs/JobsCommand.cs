using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway jobs</c>: lists the jobs of a running gateway, follows one, or stops one.</summary>
internal static class JobsCommand
{
    public static Command Create()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var id = new Argument<string?>("ID") { Description = "Follow this job, and print its result.", Arity = ArgumentArity.ZeroOrOne };
        id.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !result.Tokens[0].Value.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-'))
                result.AddError($"ID: expected the id of a job, got '{result.Tokens[0].Value}'; list them with: gateway jobs");
        });
        var stop = new Option<bool>("--stop") { Description = "Stop this job; what it has removed stays removed." };
        var command = new Command("jobs", "Lists long work of a running gateway, and follows or stops one job.")
        {
            id, stop, asked.Config, asked.Server, json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(stop) && result.GetValue(id) is null) result.AddError("--stop: expected the id of a job beside it");
        });
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(parsed, asked, gateway => parsed.GetValue(id) is { } one
            ? FollowAsync(gateway, one, parsed.GetValue(stop), parsed.InvocationConfiguration, parsed.GetValue(json), cancellationToken)
            : ListAsync(gateway, parsed.InvocationConfiguration.Output, parsed.GetValue(json), cancellationToken)));
        return command;
    }

    private static async Task<int> FollowAsync(
        OperatorClient gateway, string id, bool isStopped, InvocationConfiguration invocation, bool asJson,
        CancellationToken cancellationToken)
    {
        var job = await gateway.FindAsync($"jobs/{id}", AdminJson.Default.Job, cancellationToken);
        if (isStopped)
        {
            job = await gateway.PostAsync(
                $"jobs/{id}/stop", new GcRequest(), AdminJson.Default.GcRequest, AdminJson.Default.Job, cancellationToken);
            await invocation.Output.WriteLineAsync(asJson ? JsonSerializer.Serialize(job, AdminJson.Default.Job) : Line(job));
            return 0;
        }
        return await JobFollower.FollowAsync(
            gateway, job, invocation, asJson, done => PrintAsync(invocation.Output, done), cancellationToken,
            static done => done.Kind != ScrubJob.Kind || ScrubCommand.IsWhole(done));
    }

    private static Task PrintAsync(TextWriter output, Job job) => job.Kind switch
    {
        GcJob.Kind => GcCommand.PrintAsync(output, job),
        ScrubJob.Kind => ScrubCommand.PrintAsync(output, job),
        _ => output.WriteLineAsync(Line(job)),
    };

    private static async Task<int> ListAsync(OperatorClient gateway, TextWriter output, bool asJson, CancellationToken cancellationToken)
    {
        await foreach (var job in gateway.ListAsync("jobs", AdminJson.Default.Job, cancellationToken))
            await output.WriteLineAsync(asJson ? JsonSerializer.Serialize(job, AdminJson.Default.Job) : Line(job));
        return 0;
    }

    private static string Line(Job job)
    {
        var took = job.EndedAt is { } ended
            ? $"{(ended - job.StartedAt).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s"
            : "";
        var says = job.Problem ?? (job.Progress is { } progress ? JobFollower.Text(progress) : took);
        var started = job.StartedAt.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return $"{job.Id,-26}  {job.State.ToString().ToLowerInvariant(),-7}  {started}  {job.StartedBy,-8}  {says}".TrimEnd();
    }
}
