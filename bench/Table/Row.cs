using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>A row of the table: what is measured, in which unit, and its goals.</summary>
/// <param name="Name">What <c>--rows</c> compares with.</param>
/// <param name="Unit">Unit of <see cref="Sample.Value"/>.</param>
/// <param name="CpuUnit">Unit of <see cref="Sample.Cpu"/>; empty where it is not measured.</param>
internal sealed record Row(string Name, string Unit, string CpuUnit, Action<Series> Measure, params Goal[] Goals)
{
    // A row on a machine that is slower than expected has fewer rounds, so that the whole table stays bounded.
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(45);

    /// <summary>
    /// Measures the servers in turns. The first round is not counted: it compiles code, and fills caches and pages. Each later round begins
    /// with another server.
    /// </summary>
    public static void Alternate(Series series, params Turn[] turns)
    {
        var start = Stopwatch.GetTimestamp();
        foreach (var turn in turns) _ = turn.IsWarmedUp ? turn.Measure() : null;
        for (var round = 0; round < turns.Max(turn => turn.Rounds); round++)
        {
            if (round > 0 && Stopwatch.GetElapsedTime(start) > Budget) return;
            for (var i = 0; i < turns.Length; i++)
            {
                var turn = turns[(i + round) % turns.Length];
                if (round < turn.Rounds) series.Add(turn.Server, turn.Measure());
            }
        }
    }
}

/// <summary>A server's part of each round.</summary>
/// <param name="Rounds">Counted rounds; servers that are slower by an order of magnitude need fewer.</param>
/// <param name="IsWarmedUp">Whether a round that is not counted comes first.</param>
internal sealed record Turn(string Server, int Rounds, Func<Sample> Measure, bool IsWarmedUp = true);
