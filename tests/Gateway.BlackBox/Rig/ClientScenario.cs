namespace Gateway.BlackBox.Rig;

/// <summary>A test with its own client against the class's registry; a failure shows the registry's output.</summary>
public abstract class ClientScenario(RegistryFixture fixture) : IClassFixture<RegistryFixture>, IDisposable
{
    private protected Client Client { get; } = new();

    private protected IRegistry Registry => fixture.Registry;

    private protected TempFolder Folder => Client.Folder;

    /// <summary>A reference as docker writes it: host, repository, and tag or digest.</summary>
    private protected string At(string reference) => $"{Registry.Host}/{reference}";

    public void Dispose()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(Registry.Log);
        Client.Dispose();
        GC.SuppressFinalize(this);
    }
}
