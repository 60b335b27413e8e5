namespace Gateway.Bench;

/// <summary>One measurement of one server. What was not measured is not a number.</summary>
/// <param name="Value">The row's own figure: a rate, or seconds, or MiB.</param>
/// <param name="Cpu">Processor time of the server for each unit of work, in the row's unit.</param>
internal sealed record Sample(double Value, double Cpu = double.NaN)
{
    /// <summary>Latencies of complete requests, in ms.</summary>
    public double P50 { get; init; } = double.NaN;

    public double P99 { get; init; } = double.NaN;

    /// <summary>Time to the first byte of the body, in ms: the median of the clients.</summary>
    public double First { get; init; } = double.NaN;

    /// <summary>MiB that the upstream sent for it.</summary>
    public double Upstream { get; init; } = double.NaN;
}

/// <summary>The samples of a row, by server and round.</summary>
internal sealed class Series
{
    private readonly Dictionary<string, List<Sample>> _samples = [];

    public const string Gateway = "gateway";

    /// <summary>The servers, in the order in which they were measured.</summary>
    public IEnumerable<string> Servers => _samples.Keys;

    /// <summary>Peaks of resident memory in MiB, by server.</summary>
    public Dictionary<string, double> Peaks { get; } = [];

    public IReadOnlyList<Sample> Of(string server) => _samples.TryGetValue(server, out var all) ? all : [];

    public void Add(string server, Sample sample)
    {
        if (!_samples.TryGetValue(server, out var all)) _samples[server] = all = [];
        all.Add(sample);
    }

    public double Median(string server, Func<Sample, double> of) => Median(Of(server).Select(of));

    /// <summary>
    /// The median over the rounds of the gateway's figure divided by the other's: both of one round had the same load of the machine beside
    /// them.
    /// </summary>
    public double Ratio(string server, Func<Sample, double> of) => Ratio(Gateway, server, of);

    /// <summary>The same for two servers.</summary>
    public double Ratio(string one, string other, Func<Sample, double> of) =>
        Median(Of(one).Zip(Of(other), (a, b) => of(b) == 0 ? double.NaN : of(a) / of(b)));

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Where(v => !double.IsNaN(v)).Order().ToArray();
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
