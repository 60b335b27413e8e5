namespace Gateway.BlackBox.Rig;

/// <summary>A test with its own client, whose images are in the class's registry, with the class's gateway in front of it.</summary>
public abstract class MirrorScenario(MirrorFixture fixture) : IClassFixture<MirrorFixture>, IAsyncLifetime
{
    private protected const string Image = MirrorFixture.Image;
    private protected const string Refused = MirrorFixture.Refused;

    private int _askedBefore;

    private protected Client Client { get; } = new();

    private protected TempFolder Folder => Client.Folder;

    private protected MirrorFixture Fixture => fixture;

    private protected DockerRegistry Origin => fixture.Origin;

    private protected GatewayProcess Gateway => fixture.Gateway;

    private protected Authority Authority => fixture.Authority;

    /// <summary>Digests of all documents and blobs of the images.</summary>
    private protected string[] Digests => OciLayout.DigestsIn(fixture.Layout.Root);

    public async ValueTask InitializeAsync()
    {
        _askedBefore = (await Origin.SettledAsync()).Length;
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(Gateway.Log);
        await StopAsync();
        Client.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts the client's own daemon.</summary>
    private protected virtual ValueTask StartAsync() => ValueTask.CompletedTask;

    private protected virtual ValueTask StopAsync() => ValueTask.CompletedTask;

    /// <summary>Requests to the origin in this test that the gateway did not send.</summary>
    private protected async Task<string[]> AskedPastTheGatewayAsync() =>
        [.. (await Origin.SettledAsync()).Skip(_askedBefore).Where(asked => asked.Agent != "gateway").Select(asked => asked.Request)];
}
