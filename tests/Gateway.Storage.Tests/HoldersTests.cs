using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Which repositories have held pushes, without a look at each of them.</summary>
public sealed class HoldersTests : IAsyncLifetime
{
    private static readonly TagName Tag = TagName.Parse("v1");

    private VolumeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private StoredRepository Pushed(string name) => _rig.Volume.Pushed(RepositoryName.Parse(name));

    private async Task HoldAsync(StoredRepository repository, string tag = "v1")
    {
        var digest = await VolumeRig.PushAsync(repository, "other", "content");
        await CommitAsync(
            repository, new Operation.Hold(TagName.Parse(tag), digest, "ci", DateTimeOffset.UtcNow.AddDays(1), "a signature"));
    }

    private static async Task CommitAsync(StoredRepository repository, Operation operation) =>
        Assert.IsType<CommitResult.Committed>(await repository.CommitAsync(new([operation]), default));

    private async Task<string> HoldersAsync()
    {
        var (pushed, staged) = await _rig.Volume.Repositories.HoldersAsync();
        return string.Join(' ', pushed.Order(StringComparer.Ordinal).Concat(staged.Select(static path => $"staged:{path}")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Repository_has_held_pushes_until_the_last_one_ends(bool isReadBefore)
    {
        if (isReadBefore) Assert.Equal("", await HoldersAsync());
        await VolumeRig.PushAsync(Pushed("without"), "v1", "content");
        await HoldAsync(Pushed("a"));
        await HoldAsync(Pushed("b"));
        await HoldAsync(Pushed("b"), "v2");
        await HoldAsync(_rig.Volume.Repositories.StagedAt("hub.test/c"));
        Assert.Equal("a b staged:hub.test/c", await HoldersAsync());

        await CommitAsync(Pushed("a"), new Operation.EndHold(Tag));
        await CommitAsync(Pushed("b"), new Operation.EndHold(Tag));
        Assert.Equal("b staged:hub.test/c", await HoldersAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Holders_are_the_same_after_a_restart_and_a_kill(bool kill)
    {
        await HoldAsync(Pushed("a"));
        await HoldAsync(Pushed("b"));
        await HoldAsync(_rig.Volume.Repositories.StagedAt("hub.test/c"));
        await CommitAsync(Pushed("b"), new Operation.EndHold(Tag));

        await (kill ? _rig.KillAsync() : _rig.RestartAsync());

        Assert.Equal("a staged:hub.test/c", await HoldersAsync());
    }

    /// <summary>As in the store that another program wrote: nothing is replayed, and thousands of names are read at once.</summary>
    [Fact]
    public async Task Changes_during_the_first_reading_are_not_lost()
    {
        await _rig.Volume.DisposeAsync();
        GeneratedVolume.Fill(_rig.Path, 1500, 1);
        await _rig.StartAsync();
        await HoldAsync(Pushed("zz/ended"));
        await _rig.RestartAsync();

        var reading = HoldersAsync();
        await CommitAsync(Pushed("zz/ended"), new Operation.EndHold(Tag));
        await HoldAsync(Pushed("aa/begun"));
        await reading;

        Assert.Equal("aa/begun", await HoldersAsync());
    }
}
