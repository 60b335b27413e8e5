using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>How many connections there may be for a limit on descriptors, of which 220 are in use at the start.</summary>
public sealed class DescriptorsTests
{
    [Theory]
    [InlineData(256, 232)]
    [InlineData(1024, 488)]
    [InlineData(4096, 1512)]
    [InlineData(20_000, 15_904)]
    [InlineData(1_048_576, 1_044_480)]
    public void Connections_leave_descriptors_for_content(int limit, int first)
    {
        var descriptors = new Descriptors(limit, AtStart: 220);

        Assert.False(descriptors.AreUsedUpBy(first - 1));
        Assert.True(descriptors.AreUsedUpBy(first));
    }
}
