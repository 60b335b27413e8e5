using System.Globalization;

namespace Gateway.Bench;

/// <summary>A figure of a row and its limit.</summary>
/// <param name="Text">The goal as it is printed.</param>
/// <param name="Figure">What is compared with the limit.</param>
/// <param name="IsLeast">Whether the limit is the least value and not the greatest.</param>
internal sealed record Goal(string Text, Func<Series, double> Figure, double Limit, bool IsLeast = false)
{
    public static Goal Rate(string server, double least) =>
        new($"rate ≥ {N(least)} × {server}", s => s.Ratio(server, each => each.Value), least, IsLeast: true);

    /// <summary>The slowest of several gateways.</summary>
    public static Goal EachRate(IReadOnlyList<string> gateways, string server, double least) =>
        new($"each rate ≥ {N(least)} × {server}", s => gateways.Min(each => s.Ratio(each, server, sample => sample.Value)), least,
            IsLeast: true);

    public static Goal Peak(double mostMib) =>
        new($"peak ≤ {N(mostMib)} MiB", s => s.Peaks.GetValueOrDefault(Series.Gateway, double.NaN), mostMib);

    public static Goal Time(string server, double most) =>
        new($"time ≤ {N(most)} × {server}", s => s.Ratio(server, each => each.Value), most);

    public static Goal Cpu(string server, double most) => new($"CPU ≤ {N(most)} × {server}", s => s.Ratio(server, each => each.Cpu), most);

    public static Goal CpuOf(double most, string unit) =>
        new($"CPU ≤ {N(most)} {unit}", s => s.Median(Series.Gateway, each => each.Cpu), most);

    public static Goal First(string server, double mostMore) =>
        new($"first byte ≤ {server} + {N(mostMore)} ms",
            s => s.Median(Series.Gateway, each => each.First) - s.Median(server, each => each.First), mostMore);

    public static Goal Upstream(double mostMib) =>
        new($"≤ {N(mostMib)} MiB from upstream", s => s.Median(Series.Gateway, each => each.Upstream), mostMib);

    public static Goal P99(string server, double most) => new($"p99 ≤ {N(most)} × {server}", s => s.Ratio(server, each => each.P99), most);

    public static Goal Value(string text, double most) => new(text, s => s.Median(Series.Gateway, each => each.Value), most);

    /// <summary>"yes", or "no" with the figure; "–" if a part of it was not measured.</summary>
    public string Judge(Series series) => Figure(series) switch
    {
        double.NaN => "–",
        var figure when figure == Limit || figure > Limit == IsLeast => "yes",
        var figure => $"**no** ({N(figure)})",
    };

    public static string N(double value) => Math.Abs(value) switch
    {
        >= 10_000 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 100 => value.ToString("0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.#", CultureInfo.InvariantCulture),
        >= 1 => value.ToString("0.##", CultureInfo.InvariantCulture),
        _ => value.ToString("0.###", CultureInfo.InvariantCulture),
    };
}
