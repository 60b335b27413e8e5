using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Operations;
using Spectre.Console;

namespace Gateway.Commands;

/// <summary>
/// Follows a job of a running gateway until its end: a progress bar if standard error is a terminal, otherwise a line when the job begins
/// another step. Ending the command does not end the job.
/// </summary>
internal static class JobFollower
{
    /// <summary>How often the gateway is asked. Chosen: a bar that moves, and few requests.</summary>
    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>How long a gateway that does not answer is asked again: a restart takes less.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Waits for the end of a job and prints its result; returns the exit code.</summary>
    /// <param name="print">Prints the result of a job that is done.</param>
    /// <param name="isGood">Whether the result of a job that is done is a success; null when it always is.</param>
    public static async Task<int> FollowAsync(GatewayCall call, Job job, Func<Job, Task> print, Func<Job, bool>? isGood = null)
    {
        if (job.State == JobState.Running && !call.AsJson)
            await call.Error.WriteLineAsync(
                $"{job.Id} runs in the gateway; it continues if this command ends, and gateway jobs {job.Id} follows it again");
        job = await EndOfAsync(call.Gateway, job, call.Error, call.AsJson, call.CancellationToken);
        if (call.AsJson) await call.Output.WriteLineAsync(JsonSerializer.Serialize(job, AdminJson.Default.Job));
        else if (job.State == JobState.Done) await print(job);
        if (job.State == JobState.Done) return isGood is null || isGood(job) ? 0 : 1;
        await call.Error.WriteLineAsync(
            job.State == JobState.Failed ? $"gateway: {job.Id} failed: {job.Problem}" : $"gateway: {job.Id} was stopped");
        return 1;
    }

    private static Task<Job> EndOfAsync(
        OperatorClient gateway, Job job, TextWriter error, bool isQuiet, CancellationToken cancellationToken)
    {
        if (isQuiet) return EndOfAsync(gateway, job, static _ => { }, cancellationToken);
        if (Console.IsErrorRedirected || !ReferenceEquals(error, Console.Error))
        {
            var step = "";
            return EndOfAsync(gateway, job, now =>
            {
                if (now.Progress is not { } progress || progress.Step == step) return;
                error.WriteLine(step = progress.Step);
            }, cancellationToken);
        }
        var terminal = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        return terminal.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new ElapsedTimeColumn())
            .StartAsync(async bars =>
            {
                var bar = bars.AddTask(Markup.Escape(job.Kind));
                return await EndOfAsync(gateway, job, now => Show(bar, now), cancellationToken);
            });
    }

    private static void Show(ProgressTask bar, Job job)
    {
        if (job.Progress is not { } progress) return;
        bar.IsIndeterminate = progress.Total is null;
        if (progress.Total is { } total) (bar.MaxValue, bar.Value) = (Math.Max(total, 1), progress.Done);
        bar.Description = Markup.Escape(Text(progress));
    }

    /// <summary>The progress of a job in one line.</summary>
    public static string Text(JobProgress progress)
    {
        var isBytes = progress.Unit == "bytes";
        string Amount(long count) => isBytes ? AdminCommand.Bytes(count) : count.ToString(CultureInfo.InvariantCulture);
        var of = progress.Total is { } total ? $" of {Amount(total)}" : "";
        return $"{progress.Step}: {Amount(progress.Done)}{of}{(isBytes ? "" : $" {progress.Unit}")}";
    }

    private static async Task<Job> EndOfAsync(
        OperatorClient gateway, Job job, Action<Job> show, CancellationToken cancellationToken)
    {
        var answeredAt = TimeProvider.System.GetTimestamp();
        while (job.State == JobState.Running)
        {
            show(job);
            await Task.Delay(AskEvery, cancellationToken);
            try
            {
                job = await gateway.GetAsync(AdminCalls.Job.Of(job.Id), null, cancellationToken);
                answeredAt = TimeProvider.System.GetTimestamp();
            }
            catch (HttpRequestException) when (TimeProvider.System.GetElapsedTime(answeredAt) < Patience)
            {
                // The gateway restarts; the job continues with it.
            }
        }
        return job;
    }
}
