namespace Gateway.BlackBox.Rig;

/// <summary>One set of replicas for tests that break nothing of it.</summary>
public sealed class ReplicaFixture : IAsyncLifetime
{
    internal ReplicaSet Set { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Set = await ReplicaSet.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (Set is not null) await Set.DisposeAsync();
    }
}
