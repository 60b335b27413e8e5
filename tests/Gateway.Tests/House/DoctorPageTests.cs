using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>docs/doctor.md explains every code of <c>gateway doctor</c>, and no other.</summary>
public sealed partial class DoctorPageTests
{
    [Fact]
    public void Page_has_every_code_and_no_other()
    {
        var used = DependencyTests.Files("src/Gateway/Commands/Doctor").SelectMany(file => Used().Matches(File.ReadAllText(file)));
        var explained = Explained().Matches(File.ReadAllText(Path.Combine(DependencyTests.Root, "docs/doctor.md")));

        Assert.Equal(
            used.Select(match => match.Groups[1].Value).Where(static code => code != "GATEWAY_PASSWORD").Distinct().Order(),
            explained.Select(match => match.Groups[1].Value).Where(static code => code != "GATEWAY_PASSWORD").Distinct().Order());
    }

    [GeneratedRegex("\"([A-Z]+(?:_[A-Z0-9]+)+|BYPASS)\"")]
    private static partial Regex Used();

    [GeneratedRegex("`([A-Z]+(?:_[A-Z0-9]+)+|BYPASS)`")]
    private static partial Regex Explained();
}
