using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>A strict reader of the text format 0.0.4: what it does not understand fails the test.</summary>
internal sealed partial class PrometheusReader
{
    public Dictionary<string, string> Types { get; } = [];

    public List<(string Name, string Labels, double Value)> Samples { get; } = [];

    public static PrometheusReader Read(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var reader = new PrometheusReader();
        string? family = null;
        foreach (var line in text[..^1].Split('\n')) family = reader.ReadLine(line, family);
        foreach (var name in reader.Types.Where(t => t.Value == "histogram").Select(t => t.Key)) reader.CheckHistogram(name);
        Assert.Equal(reader.Samples.Count, reader.Samples.DistinctBy(s => (s.Name, s.Labels)).Count());
        return reader;
    }

    private string? ReadLine(string line, string? family)
    {
        if (line.StartsWith("# HELP ", StringComparison.Ordinal))
        {
            Assert.Matches(@"^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* ([^\\]|\\\\|\\n)*$", line);
            return family;
        }
        if (TypeLine().Match(line) is { Success: true } type)
        {
            Assert.True(Types.TryAdd(type.Groups[1].Value, type.Groups[2].Value), $"a second TYPE of {type.Groups[1].Value}");
            return type.Groups[1].Value;
        }
        ReadSample(line, family!);
        return family;
    }

    private void ReadSample(string line, string family)
    {
        var sample = SampleLine().Match(line);
        Assert.True(sample.Success, $"no line of the format: {line}");
        var name = sample.Groups[1].Value;
        var suffixes = Types[family] == "histogram" ? new[] { "_bucket", "_sum", "_count" } : [""];
        Assert.Contains(name, suffixes.Select(suffix => family + suffix));
        Assert.Equal(Types[family] == "counter", family.EndsWith("_total", StringComparison.Ordinal));
        Samples.Add((name, sample.Groups[2].Value, Number(sample.Groups[3].Value)));
    }

    // Cumulative, ending in +Inf, which is the count.
    private void CheckHistogram(string name)
    {
        foreach (var series in Samples.Where(s => s.Name == name + "_bucket").GroupBy(s => LessOrEqual().Replace(s.Labels, "")))
        {
            var buckets = series.ToArray();
            Assert.Equal(buckets.Select(b => b.Value).Order(), buckets.Select(b => b.Value));
            Assert.EndsWith("le=\"+Inf\"", buckets[^1].Labels, StringComparison.Ordinal);
            Assert.Equal(buckets[^1].Value, Samples.Single(s => s.Name == name + "_count" && s.Labels == series.Key).Value);
        }
    }

    private static double Number(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, CultureInfo.InvariantCulture),
    };

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*",?)+)\})? ([-+0-9.eEInfNa]+)$""")]
    private static partial Regex SampleLine();

    [GeneratedRegex(",?le=\"[^\"]*\"$")]
    private static partial Regex LessOrEqual();
}
