using Xunit;

namespace Gateway.Tests.House;

/// <summary>The arrows between rooms, read from the compiled program.</summary>
public sealed class CompiledRoomsTests
{
    private static readonly Dictionary<string, string[]> Table =
        DependencyTests.Rooms.ToDictionary(static row => row.Data.Item1, static row => row.Data.Item2);

    /// <summary>Configuration's <c>UpstreamOptions</c> extends these options: their members are read as configuration.</summary>
    private const string OptionsOfUpstreams = " uses Upstream.RegistryOptions";

    [Fact]
    public void Rooms_use_only_rooms_below_them() =>
        Assert.DoesNotContain(
            new CompiledRooms(typeof(RunningGateway).Assembly, "Gateway").Violations(Table),
            static use => !use.EndsWith(OptionsOfUpstreams, StringComparison.Ordinal));

    /// <summary>The seeds below break the rule in each way that a search for a <c>using</c> does not see.</summary>
    [Fact]
    public void Uses_are_found_however_they_are_written()
    {
        var seeds = new CompiledRooms(typeof(CompiledRoomsTests).Assembly, "Gateway.Tests.House.Seeds");

        var found = seeds.Violations(new Dictionary<string, string[]> { ["Lower"] = [], ["Upper"] = ["Lower"] });

        string[] expected =
        [
            "Lower.ByAlias uses Upper.Thing", "Lower.ByInference uses Upper.Thing", "Lower.ByQualifiedName uses Upper.Thing",
            "Lower.ByTypeArgument uses Upper.Thing",
        ];
        Assert.Equal(expected, found.Where(static use => !use.Contains('+')).Distinct().Order());
    }
}
