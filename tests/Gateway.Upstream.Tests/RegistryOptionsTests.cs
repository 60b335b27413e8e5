using System.Collections.Immutable;
using System.Reflection;

namespace Gateway.Upstream.Tests;

/// <summary>A reload replaces the client of an upstream exactly if an option changed that the client uses.</summary>
public sealed class RegistryOptionsTests
{
    private static RegistryOptions Example() => new()
    {
        Key = "hub", Urls = [new("https://one.example")], Realms = [new("https://auth.example")], Redirects = ["*.cdn.example"],
        Credentials = [new() { Username = "ci", PasswordFile = "/run/secrets/hub" }], CertificateAuthority = "/etc/ca.pem",
        Proxy = new("http://proxy.example"),
    };

    public static TheoryData<string> Properties => [.. typeof(RegistryOptions).GetProperties().Where(p => p.CanWrite).Select(p => p.Name)];

    [Fact]
    public void Equal_options_can_share_a_client() => Assert.True(Example().ConnectsAs(Example()));

    [Theory]
    [MemberData(nameof(Properties))]
    public void Change_of_any_property_needs_another_client(string property)
    {
        var changed = Example() with { };
        var setter = typeof(RegistryOptions).GetProperty(property)!;
        setter.SetValue(changed, OtherThan(setter));
        Assert.False(Example().ConnectsAs(changed));
    }

    private static object OtherThan(PropertyInfo property) => property.PropertyType switch
    {
        var type when type == typeof(string) => "other",
        var type when type == typeof(Uri) => new Uri("http://other.example"),
        var type when type == typeof(ImmutableArray<Uri>) => ImmutableArray.Create(new Uri("https://other.example")),
        var type when type == typeof(ImmutableArray<string>) => ImmutableArray.Create("other.example"),
        var type when type == typeof(ImmutableArray<CredentialOptions>) => ImmutableArray<CredentialOptions>.Empty,
        var type => throw new NotSupportedException($"add a value of {type} for {property.Name} to this test"),
    };
}
