using System.Text;

namespace Gateway.WebConsole;

/// <summary>
/// Sends a page again whenever it changed, as server-sent events (HTML standard, 9.2). The script of the page puts the changed part in
/// place.
/// </summary>
internal sealed class LiveParts(IHostApplicationLifetime lifetime, TimeProvider clock)
{
    // Chosen: progress that moves each second is followed well, and a page takes a few milliseconds to render.
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    // Proxies end an answer that says nothing for a minute.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(20);

    // A browser connects again by itself; rights that ended meanwhile are noticed then.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    // Browsers keep six connections to a server; a person may have some windows open.
    private const int MostAtOnce = 100;

    private int _open;

    /// <summary>Answers until the browser goes, at most <see cref="Longest"/>.</summary>
    /// <param name="render">The page now.</param>
    public async Task FollowAsync(HttpContext context, Func<Task<(int Status, string Page)>> render)
    {
        if (Interlocked.Increment(ref _open) > MostAtOnce)
        {
            Interlocked.Decrement(ref _open);
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
            await SendAsync(context, render, stop.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // The answer ends in order; the browser connects again.
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private async Task SendAsync(HttpContext context, Func<Task<(int Status, string Page)>> render, CancellationToken stop)
    {
        var response = context.Response;
        (response.ContentType, response.Headers.CacheControl) = ("text/event-stream", "no-store");
        var (begun, said) = (clock.GetTimestamp(), clock.GetTimestamp());
        var last = "";
        while (clock.GetElapsedTime(begun) < Longest)
        {
            var (status, page) = await render();
            if (status != StatusCodes.Status200OK) return;
            if (page != last)
            {
                await WriteAsync(response, "data: " + page.ReplaceLineEndings("\ndata: ") + "\n\n", stop);
                (last, said) = (page, clock.GetTimestamp());
            }
            else if (clock.GetElapsedTime(said) > Quiet)
            {
                await WriteAsync(response, ": still here\n\n", stop);
                said = clock.GetTimestamp();
            }
            await Task.Delay(Step, clock, stop);
        }
    }

    private static async Task WriteAsync(HttpResponse response, string text, CancellationToken stop)
    {
        await response.BodyWriter.WriteAsync(Encoding.UTF8.GetBytes(text), stop);
        await response.BodyWriter.FlushAsync(stop);
    }
}
