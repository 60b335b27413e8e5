using Gateway.Operations;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class RuntimeFloorTests
{
    [Theory]
    [InlineData("10.0.0")]
    [InlineData("10.0.9")]
    [InlineData("9.0.20")]
    public void An_older_runtime_is_refused_with_what_to_do(string running)
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
    public void One_that_is_new_enough_will_do(string running) => Assert.Null(RuntimeFloor.Problem(Version.Parse(running)));

    [Fact]
    public void These_tests_run_on_one_that_will_do() => Assert.Null(RuntimeFloor.Problem(Environment.Version));
}
