using System.Collections.Immutable;
using Gateway.Fronting;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Storage.Tests;
using Xunit;

namespace Gateway.Tests.Fronting;

/// <summary>A new operation must be decided on wherever operations are told apart.</summary>
public sealed class OperationTests
{
    public static TheoryData<string> Names =>
        [.. typeof(Operation).GetNestedTypes().Where(static type => !type.IsAbstract).Select(static type => type.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Every_operation_can_be_applied(string name)
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Repositories.CachedAt("hub/team/app");
        // The tag that an operation may concern.
        await repository.CommitAsync(new([SampleOf(nameof(Operation.SetLive))]), default);

        Assert.IsType<CommitResult.Committed>(await repository.CommitAsync(new([SampleOf(name)]), default));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_operation_can_be_folded(string name)
    {
        var record = new JournalRecord(1, DateTimeOffset.UnixEpoch, "", [SampleOf(name)], [default]);

        Assert.InRange(LogFold.Of([new(Guid.Empty, 0, record)]).Length, 0, 1);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_operation_has_a_cost_an_effect_and_a_root(string name)
    {
        var operation = SampleOf(name);

        Assert.InRange(OperationCost.Of(operation), 0, DiskCost.OfContent(0) + DiskCost.Link + DiskCost.Evidence + DiskCost.Tag);
        Assert.Equal(VersionEffects.Of(operation, Lifetime.Pushed), VersionEffects.Of(operation, Lifetime.Pushed));
        Assert.InRange(
            Convert.ToInt32(StagedOperations.IsStaged(operation, static _ => true, anyArrived: true)),
            Convert.ToInt32(StagedOperations.IsStaged(operation, static _ => false, anyArrived: true)), 1);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_operation_is_read_back_from_the_journal_or_belongs_to_cached_repositories(string name)
    {
        var operation = SampleOf(name);
        var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        var record = new JournalRecord(1, DateTimeOffset.UnixEpoch, "team/app", [operation], [default]);

        if (operation is Operation.StoreListed or Operation.Validated or Operation.RemoveEvidence or Operation.RemoveListed
            or Operation.RemoveAllEvidence or Operation.RemoveEmpty)
        {
            Assert.Throws<InvalidOperationException>(() => record.Write(writer));
            return;
        }
        record.Write(writer);
        bytes.Position = 0;
        Assert.Equal(name, JournalRecord.Read(new BinaryReader(bytes)).Operations.Single().GetType().Name);
    }

    private static Operation SampleOf(string name)
    {
        var constructor = typeof(Operation).GetNestedType(name)!.GetConstructors()[0];
        return (Operation)constructor.Invoke([.. constructor.GetParameters().Select(static each => SampleOf(each.ParameterType))]);
    }

    private static object? SampleOf(Type type) =>
        type == typeof(string) ? "text"
        : type == typeof(TagName) ? TagName.Parse("v1")
        : type == typeof(Digest) ? Digest.Of("content"u8)
        : type == typeof(Descriptor) ? new Descriptor(MediaTypes.OciManifest, Digest.Of("manifest"u8), 8)
        : type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ImmutableArray<>) ? type.GetField("Empty")!.GetValue(null)
        : Activator.CreateInstance(type);
}
