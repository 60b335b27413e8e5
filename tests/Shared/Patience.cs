using System.Diagnostics;
using System.Globalization;

namespace Gateway.Testing;

/// <summary>
/// How long a test waits for something that must happen. A limit only ends a wait that would never end: no test passes because something
/// was quick. Limits therefore grow with the load of the machine, and a wait that fails says what it waited for.
/// </summary>
internal static class Patience
{
    /// <summary>The variable that sets the factor by hand, such as 4 on a machine that is four times slower.</summary>
    private const string Variable = "GATEWAY_TEST_PATIENCE";

    /// <summary>Largest factor that load alone gives: a test that hangs still ends within minutes.</summary>
    private const double MostByLoad = 5;

    /// <summary>By how much every limit is multiplied now, at least 1: the variable, otherwise runnable processes per core.</summary>
    public static double Factor
    {
        get
        {
            if (double.TryParse(Environment.GetEnvironmentVariable(Variable), CultureInfo.InvariantCulture, out var set))
                return Math.Max(1, set);
            var load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);
            return Math.Clamp(load / Environment.ProcessorCount, 1, MostByLoad);
        }
    }

    /// <summary>A limit of this many seconds on an otherwise idle machine.</summary>
    public static TimeSpan Of(double seconds) => TimeSpan.FromSeconds(seconds * Factor);

    /// <summary>Cancels after <see cref="Of"/>.</summary>
    public static CancellationTokenSource Limit(double seconds) => new(Of(seconds));

    /// <summary>The task's result.</summary>
    /// <param name="awaited">What must happen, for the failure's message: "the reload is logged".</param>
    /// <exception cref="TimeoutException">It did not happen in time.</exception>
    public static async Task<T> InTimeAsync<T>(this Task<T> task, string awaited, double seconds = 60)
    {
        await ((Task)task).InTimeAsync(awaited, seconds);
        return await task;
    }

    /// <inheritdoc cref="InTimeAsync{T}"/>
    public static async Task InTimeAsync(this Task task, string awaited, double seconds = 60)
    {
        var limit = Of(seconds);
        if (await Task.WhenAny(task, Task.Delay(limit)) != task) throw new TimeoutException(Late(awaited, limit));
        await task;
    }

    /// <summary>Checks the condition repeatedly until it holds.</summary>
    /// <param name="awaited">What must happen, for the failure's message, read when it has not.</param>
    /// <exception cref="TimeoutException">It did not happen in time.</exception>
    public static async Task UntilAsync(Func<Task<bool>> condition, Func<string> awaited, double seconds = 60)
    {
        var (clock, limit) = (Stopwatch.StartNew(), Of(seconds));
        while (!await condition())
        {
            if (clock.Elapsed > limit) throw new TimeoutException(Late(awaited(), limit));
            await Task.Delay(20);
        }
    }

    private static string Late(string awaited, TimeSpan limit) =>
        $"waited {limit.TotalSeconds:0} s in vain for this: {awaited} ({Variable} makes every limit longer)";
}
