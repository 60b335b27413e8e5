using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>The declaration, its documents and the option records say the same.</summary>
public sealed class SchemaTests
{
    /// <summary>Every key of a section that stands once, with the default that the reference page shows for it.</summary>
    public static TheoryData<string, string> Defaults()
    {
        var data = new TheoryData<string, string>();
        Walk("", GatewaySchema.Root);
        return data;

        void Walk(string path, SettingType section)
        {
            foreach (var setting in section.Settings)
            {
                var key = path + setting.Name;
                if (setting is { IsRequired: false, Default: { } text } && !text.StartsWith('(')) data.Add(key, text);
                if (setting.Type.Item is null && setting.Type.Value is null) Walk(key + ".", setting.Type);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Defaults))]
    public void Writing_a_default_changes_nothing(string key, string text)
    {
        var written = Yaml.Good(Nest(key, text));
        var left = Yaml.Good(key.Contains('.') ? Nest(key[..key.LastIndexOf('.')], "{}") : "");

        Assert.Equal(Show(left), Show(written));
    }

    [Fact]
    public void Every_key_is_in_the_JSON_schema_and_nothing_else_is()
    {
        var schema = JsonNode.Parse(SchemaDocument.Write())!;

        Assert.Equal("https://json-schema.org/draft/2020-12/schema", (string?)schema["$schema"]);
        Assert.False((bool)schema["additionalProperties"]!);
        Assert.Equal(
            GatewaySchema.Root.Settings.Select(setting => setting.Name), schema["properties"]!.AsObject().Select(property => property.Key));
        var upstream = schema["properties"]!["upstreams"]!["additionalProperties"]!["properties"]!;
        Assert.Equal("boolean", (string?)upstream["library"]!["type"]);
        Assert.Equal(
            ["serve", "deny"], upstream["tags"]!["properties"]!["onUnavailable"]!["enum"]!.AsArray().Select(word => (string?)word));
        Assert.Equal(["default"], schema["properties"]!["policy"]!["required"]!.AsArray().Select(key => (string?)key));
    }

    /// <summary>The key as flow YAML; a policy needs its default beside.</summary>
    private static string Nest(string key, string text) =>
        key.Split('.').Reverse().Aggregate(text, (inner, name) => $"{{ {name}: {inner} }}")
            .Replace("{ policy: {", "{ policy: { default: allow, ", StringComparison.Ordinal);

    /// <summary>All values as text: arrays are equal only if they are the same one.</summary>
    private static string Show(GatewayOptions options) => JsonSerializer.Serialize(options, ByText);

    private static readonly JsonSerializerOptions ByText = new() { Converters = { new AsText<Digest>(), new AsText<VerificationKey>() } };

    /// <summary>Types that say all of themselves in one line.</summary>
    private sealed class AsText<T> : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue($"{value}");
    }
}
