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

    // Chosen: some windows of 25 people.
    private const int MostAtOnce = 100;

    // Chosen: the operator port is available however many people follow pages on the listeners.
    private const int ReservedForOperator = 20;

    // Browsers keep six connections to a server with HTTP/1.1. Two of them remain for other pages.
    private const int MostOfSource = 4;

    // Chosen: one account follows pages in some browsers, and cannot take every stream of the others with its 16 sessions.
    private const int MostOfAccount = 12;

    private readonly Lock _counting = new();
    private readonly Dictionary<string, int> _open = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _ofAccounts = new(StringComparer.Ordinal);
    private int _all;

    /// <summary>Whether a page with this path changes by itself, so that it can be followed.</summary>
    public static bool Has(string path) => path is "/" or "/holds" or "/activity" or "/upkeep" or "/replicas";

    /// <summary>Answers until the browser goes, at most <see cref="Longest"/>.</summary>
    /// <param name="visitor">Has at most <see cref="MostOfSource"/> streams at once.</param>
    /// <param name="render">The page now.</param>
    public async Task FollowAsync(HttpContext context, Visitor visitor, Func<Task<(int Status, string Page)>> render)
    {
        if (!TryEnter(visitor))
        {
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
            lock (_counting) Count(visitor, -1);
        }
    }

    /// <summary>Counts a stream; false where there are too many.</summary>
    internal bool TryEnter(Visitor visitor)
    {
        lock (_counting)
        {
            if (_open.GetValueOrDefault(visitor.Source) >= MostOfSource) return false;
            if (visitor.Account is { } account && _ofAccounts.GetValueOrDefault(account) >= MostOfAccount) return false;
            if (_all >= MostAtOnce - (visitor.IsAtOperatorPort ? 0 : ReservedForOperator)) return false;
            Count(visitor, 1);
            return true;
        }
    }

    private void Count(Visitor visitor, int change)
    {
        _all += change;
        Count(_open, visitor.Source, change);
        if (visitor.Account is { } account) Count(_ofAccounts, account, change);
    }

    private static void Count(Dictionary<string, int> open, string key, int change)
    {
        var now = open.GetValueOrDefault(key) + change;
        if (now == 0) open.Remove(key);
        else open[key] = now;
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
