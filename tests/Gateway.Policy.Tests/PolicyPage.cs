using System.Text.RegularExpressions;
using YamlDotNet.Serialization;

namespace Gateway.Policy.Tests;

/// <summary>docs/policy.md as data: the examples that operators copy must work.</summary>
internal static partial class PolicyPage
{
    private static readonly IDeserializer Yaml = new DeserializerBuilder().Build();

    public static string Text { get; } = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "policy.md"));

    /// <summary>The documented list.</summary>
    public static ArtifactTypeOptions Offered { get; } = Blocks().Matches(Text).Select(static block => Read(block.Groups[1].Value)).Single(
        static types => types.Allowed is { Count: > 0 });

    /// <summary>One line of a list, as YAML.</summary>
    public static (string Key, string[] Layers) Entry(string yaml)
    {
        var (key, layers) = Yaml.Deserialize<Dictionary<string, string[]>>(yaml).Single();
        return (key, layers);
    }

    private static ArtifactTypeOptions Read(string yaml)
    {
        var policy = (Dictionary<object, object>)Yaml.Deserialize<Dictionary<string, object>>(yaml)["policy"];
        if (!policy.TryGetValue("artifactTypes", out var types)
            || !((Dictionary<object, object>)types).TryGetValue("ALLOWED_OCI_ARTIFACT_TYPES", out var list))
            return new();
        return Sample.Types(
            [.. ((Dictionary<object, object>)list).Select(static e => ((string)e.Key, ((List<object>)e.Value).Cast<string>().ToArray()))]);
    }

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Blocks();
}
