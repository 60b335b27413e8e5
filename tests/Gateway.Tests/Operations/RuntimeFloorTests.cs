using Gateway.Operations;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class RuntimeFloorTests
{
    [Theory]
    [InlineData("10.0.0")]
    [InlineData("10.0.9")]
    [InlineData("9.0.20")]
    public void Older_runtime_is_refused_with_the_remedy(string running)
    {
        var problem = RuntimeFloor.Problem(Version.Parse(running));

        Assert.NotNull(problem);
        Assert.Contains(running, problem, StringComparison.Ordinal);
        Assert.Contains("update the runtime", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.0.10")]
    [InlineData("10.1.0")]
    [InlineData("11.0.0")]
    public void New_enough_runtime_is_accepted(string running) => Assert.Null(RuntimeFloor.Problem(Version.Parse(running)));

    [Fact]
    public void Runtime_of_these_tests_is_accepted() => Assert.Null(RuntimeFloor.Problem(Environment.Version));
}
