using System.Collections.Immutable;
using System.Reflection;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>Views of passthrough upstreams outlive a reload exactly when their upstream's options are equal.</summary>
public sealed class UpstreamOptionsTests
{
    private static UpstreamOptions Example() => new()
    {
        Key = "hub", Urls = [new("https://one.example")], Namespaces = ["hub.example"], Tags = new() { Immutable = ["v*"] },
    };

    public static TheoryData<string> Properties => [.. Declared(typeof(UpstreamOptions))];

    public static TheoryData<string> TagProperties => [.. Declared(typeof(TagOptions))];

    [Fact]
    public void Options_that_were_read_twice_are_equal()
    {
        Assert.Equal(Example(), Example());
        Assert.Equal(Example().GetHashCode(), Example().GetHashCode());
    }

    [Fact]
    public void Options_of_different_addresses_are_not_equal() =>
        Assert.NotEqual(Example(), Example() with { Urls = [new("https://two.example")] });

    [Theory]
    [MemberData(nameof(Properties))]
    public void Change_of_any_property_makes_options_unequal(string property)
    {
        var changed = Example() with { };
        Change(changed, property);
        Assert.NotEqual(Example(), changed);
    }

    [Theory]
    [MemberData(nameof(TagProperties))]
    public void Change_of_any_property_of_tags_makes_options_unequal(string property)
    {
        var changed = Example() with { Tags = Example().Tags with { } };
        Change(changed.Tags, property);
        Assert.NotEqual(Example(), changed);
    }

    private static IEnumerable<string> Declared(Type type) => type
        .GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(p => p.CanWrite).Select(p => p.Name);

    private static void Change(object options, string name)
    {
        var property = options.GetType().GetProperty(name)!;
        property.SetValue(options, property.GetValue(options) switch
        {
            bool value => !value,
            TimeSpan value => value + TimeSpan.FromSeconds(1),
            Enum value => Enum.GetValues(value.GetType()).Cast<object>().First(other => !other.Equals(value)),
            ImmutableArray<string> => ImmutableArray.Create("other"),
            TagOptions value => value with { OnGone = TimeSpan.FromHours(1) },
            var value => throw new NotSupportedException($"add a value other than {value} for {name} to this test"),
        });
    }
}
