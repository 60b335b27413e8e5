using Gateway.BlackBox.Rig;
using Gateway.Testing;

[assembly: AssemblyFixture(typeof(SharedBucketSet))]

namespace Gateway.BlackBox.Rig;

/// <summary>One set on Ceph for all tests that break nothing of it; it is started when the first test needs it.</summary>
public sealed class SharedBucketSet : IAsyncDisposable
{
    private readonly Lazy<Task<BucketSet>> _set = new(() => BucketSet.StartAsync(store: S3Server.StartCephAsync));

    internal Task<BucketSet> Started => _set.Value;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_set.IsValueCreated && !_set.Value.IsFaulted) await (await _set.Value).DisposeAsync();
    }
}

/// <summary><see cref="SharedBucketSet"/> as the registry of a class.</summary>
public sealed class BucketFixture(SharedBucketSet shared) : RegistryFixture
{
    internal BucketSet Set => (BucketSet)Registry;

    private protected override async Task<IRegistry> StartAsync() => await shared.Started;

    private protected override ValueTask EndAsync(IRegistry registry) => ValueTask.CompletedTask;
}
