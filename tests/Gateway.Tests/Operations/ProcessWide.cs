using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>
/// Tests of what a process has once: meters of one name are one, so that another test's gateway that ends would end this one's counting.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessWide
{
    public const string Name = "process-wide";
}
