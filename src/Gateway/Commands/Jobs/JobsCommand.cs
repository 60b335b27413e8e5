using System.CommandLine;
using System.Globalization;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway jobs</c>: lists the jobs of a running gateway, follows one, or stops one.</summary>
internal static class JobsCommand
{
    public static Command Create()
    {
        var id = new Argument<string?>("ID") { Description = "Follow this job, and print its result.", Arity = ArgumentArity.ZeroOrOne };
        id.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !result.Tokens[0].Value.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-'))
                result.AddError($"ID: expected the id of a job, got '{result.Tokens[0].Value}'; list them with: gateway jobs");
        });
        var stop = new Option<bool>("--stop") { Description = "Stop this job; what it has removed stays removed." };
        const string description = "Lists long work of a running gateway, and follows or stops one job.";
        var command = AdminCommand.Create("jobs", description, [id, stop], call =>
            call.Value(id) is { } one ? FollowAsync(call, one, call.Value(stop)) : ListAsync(call));
        command.Validators.Add(result =>
        {
            if (result.GetValue(stop) && result.GetValue(id) is null) result.AddError("--stop: expected the id of a job beside it");
        });
        return command;
    }

    private static async Task<int> FollowAsync(GatewayCall call, string id, bool isStopped)
    {
        var job = await call.Gateway.FindAsync(AdminCalls.Job.Of(id), call.CancellationToken);
        if (isStopped)
        {
            job = await call.PostAsync(AdminCalls.StopJob.Of(id), new());
            await call.WriteAsync(job, AdminJson.Default.Job, Line(job));
            return 0;
        }
        return await JobFollower.FollowAsync(
            call, job, done => PrintAsync(call.Output, done), static done => done.Kind != ScrubJob.Kind || ScrubCommand.IsWhole(done));
    }

    private static Task PrintAsync(TextWriter output, Job job) => job.Kind switch
    {
        GcJob.Kind => GcCommand.PrintAsync(output, job),
        ScrubJob.Kind => ScrubCommand.PrintAsync(output, job),
        _ => output.WriteLineAsync(Line(job)),
    };

    private static async Task<int> ListAsync(GatewayCall call)
    {
        await foreach (var job in call.Gateway.ListAsync(AdminCalls.Jobs, null, call.CancellationToken))
            await call.WriteAsync(job, AdminJson.Default.Job, Line(job));
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
