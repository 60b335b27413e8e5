using System.Text.Json;
using Gateway.Registry;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class RegistryErrorTests
{
    [Fact]
    public void Every_code_has_a_status() =>
        Assert.All(Enum.GetValues<RegistryErrorCode>(), code => Assert.InRange(RegistryError.StatusOf(code), 400, 599));

    [Fact]
    public void A_body_holds_exactly_one_error_with_a_string_for_its_detail()
    {
        using var body = JsonDocument.Parse(new RegistryError(RegistryErrorCode.DENIED, "no", "decision=d-1").ToJson());

        var error = Assert.Single(body.RootElement.GetProperty("errors").EnumerateArray());
        Assert.Equal(("DENIED", "no", "decision=d-1"), (Text(error, "code"), Text(error, "message"), Text(error, "detail")));
    }

    [Fact]
    public void Control_characters_in_an_error_are_escaped()
    {
        using var body = JsonDocument.Parse(new RegistryError(RegistryErrorCode.DENIED, "a\u001b[2J\r\n\u202eb").ToJson());

        Assert.Equal(@"a\u001b[2J\u000d\u000a\u202eb", Text(body.RootElement.GetProperty("errors")[0], "message"));
    }

    [Fact]
    public void The_longest_body_stays_below_what_every_client_reads() =>
        Assert.InRange(new RegistryError(RegistryErrorCode.DENIED, new('\\', 5000), new('"', 5000)).ToJson().Length, 1, 4096);

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();
}
