using FsCheck;
using FsCheck.Fluent;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class YamlWriterTests
{
    private static readonly SourceLocation Here = new("a", 1, 1);

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a: b", "\"a: b\"")]
    [InlineData("*", "\"*\"")]
    [InlineData("", "\"\"")]
    [InlineData("null", "\"null\"")]
    [InlineData("a #b", "\"a #b\"")]
    [InlineData("-----BEGIN X-----\nabc\n", "|\n  -----BEGIN X-----\n  abc")]
    [InlineData("\u001b[2J", "\"\\u001b[2J\"")]
    public void Value_is_written_without_quotes_where_possible(string value, string expected) =>
        Assert.Equal($"k: {expected}\n", YamlWriter.Write(Map(("k", Text(value)))));

    [Fact]
    public void Lists_and_sections_are_written_in_readable_form() => Assert.Equal(
        "a:\n  - k: [x, y]\n    m: {}\n  - n: []\n",
        YamlWriter.Write(Map(("a", List(Map(("k", List(Text("x"), Text("y"))), ("m", Map())), Map(("n", List())))))));

    [Fact]
    public void Written_YAML_is_read_back_unchanged()
    {
        var texts = Gen.Elements(
            "a", "B", " ", ":", "#", "-", "*", "\n", "\"", "\\", "'", "{", "[", "ä", "\t", "\r", "1", "~", "|", "\0", "\u2028")
            .ArrayOf().Select(string.Concat);
        var nodes = from one in texts from two in texts from key in texts from nested in Gen.Elements(true, false)
                    select nested ? Map((key, List(Text(one), Map(("k", Text(two)))))) : Map((key, Map((key, List(Text(one), Text(two))))));
        Prop.ForAll(nodes.ToArbitrary(), static node =>
        {
            var mistakes = new List<ConfigurationMistake>();
            var read = YamlReader.Read(YamlWriter.Write(node), "b", mistakes);
            return mistakes.Count == 0 && Flat(read!) == Flat(node);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Stream_of_documents_is_read_in_order_and_an_empty_one_as_none()
    {
        var mistakes = new List<ConfigurationMistake>();

        Assert.Equal(["{a=1}", "2"], YamlReader.ReadAll("a: 1\n---\n2\n", "s", mistakes)!.Select(Flat));
        Assert.Empty(YamlReader.ReadAll("", "s", mistakes)!);
        Assert.Empty(mistakes);
        Assert.Null(YamlReader.ReadAll("a: [", "s", mistakes));
        Assert.Single(mistakes);
    }

    private static string Flat(ConfigurationNode node) => node switch
    {
        ScalarNode scalar => scalar.Value,
        SequenceNode list => $"[{string.Join(",", list.Items.Select(Flat))}]",
        MappingNode map => $"{{{string.Join(",", map.Entries.Select(static entry => $"{entry.Key}={Flat(entry.Value)}"))}}}",
        _ => "",
    };

    private static ScalarNode Text(string value) => new(Here, value, Plain: false);

    private static SequenceNode List(params ConfigurationNode[] items) => new(Here, [.. items]);

    private static MappingNode Map(params (string Key, ConfigurationNode Value)[] entries) =>
        new(Here, [.. entries.Select(static entry => new MappingEntry(entry.Key, Here, entry.Value))]);
}
