using System.Globalization;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// Every order of three pushes and deletes of one image, each in its own repository, and each with the disk as it was after any of the
/// three. A replay restores the state of the last acknowledged request, however the clock moved.
/// </summary>
public sealed class ReplayOrderTests
{
    private const int Steps = 3;

    private static readonly TagName V1 = TagName.Parse("v1");
    private static readonly TagName Waiting = TagName.Parse("waiting");
    private static readonly byte[] Config = "config"u8.ToArray();
    private static readonly Digest Blob = Digest.Of(Config);
    private static readonly Digest Subject = Digest.Of("subject"u8);
    private static readonly byte[] Manifest =
        VolumeRig.ManifestOf(Blob, Config.Length, new(MediaTypes.OciManifest, Subject, 7));
    private static readonly Digest Image = Digest.Of(Manifest);

    // Not whole milliseconds, which is the precision of the journal.
    private static readonly DateTimeOffset Start = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero).AddTicks(4567);

    /// <param name="secondsPerStep">How far the clock moves with each step: forward, back, or not at all.</param>
    /// <param name="isCheckpointed">Whether the first step is flushed and no longer in the journal.</param>
    [Theory]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(-1, false)]
    [InlineData(-1, true)]
    public async Task Replay_restores_the_state_of_the_last_acknowledged_push_or_delete(int secondsPerStep, bool isCheckpointed)
    {
        var clock = new StepClock();
        await using var rig = await VolumeRig.OpenAsync(clock);
        await CheckAsync(rig, await RunAsync(rig, clock, secondsPerStep, isCheckpointed));
    }

    /// <summary>A journal of an earlier version does not record which link a removal concerns.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task Replay_of_an_earlier_versions_journal_follows_the_order_of_its_records(int secondsPerStep)
    {
        var clock = new StepClock();
        await using var rig = await VolumeRig.OpenAsync(clock);
        await CheckAsync(rig, await RunAsync(rig, clock, secondsPerStep, isCheckpointed: false), WithoutLinkTimes);
    }

    /// <summary>The committer takes several changes of one repository in one batch.</summary>
    [Fact]
    public async Task Changes_of_one_batch_are_replayed_in_order()
    {
        await using var rig = await VolumeRig.OpenAsync(new StepClock());
        await VolumeRig.PushBlobAsync(rig.Volume.Pushed(VolumeRig.Name), Config);
        var runs = Enumerable.Range(0, 1 << Steps).Select(order => new Run(order, Steps)).ToArray();
        var commits = runs.SelectMany(run => Enumerable.Range(0, Steps).Select(step => run.StepAsync(rig.Volume, step).AsTask())).ToArray();
        await Task.WhenAll(commits);
        foreach (var run in runs) run.State = new Folder([]);
        await CheckAsync(rig, runs);
    }

    private static async Task<Run[]> RunAsync(VolumeRig rig, StepClock clock, int secondsPerStep, bool isCheckpointed)
    {
        await VolumeRig.PushBlobAsync(rig.Volume.Pushed(VolumeRig.Name), Config);
        var first = isCheckpointed ? 1 : 0;
        var runs = (
            from order in Enumerable.Range(0, 1 << Steps)
            from after in Enumerable.Range(first, Steps + 1 - first)
            select new Run(order, after)).ToArray();
        for (var step = 0; step <= Steps; step++)
        {
            if (step == first && isCheckpointed) await rig.RestartAsync();
            foreach (var run in runs.Where(run => run.After == step)) run.State = Folder.Read(run.PathIn(rig.Path));
            if (step == Steps) break;
            await Task.WhenAll(runs.Select(run => run.StepAsync(rig.Volume, step).AsTask()));
            clock.Now += TimeSpan.FromSeconds(secondsPerStep);
        }
        return runs;
    }

    private static async Task CheckAsync(VolumeRig rig, Run[] runs, Action<string>? before = null)
    {
        await rig.KillAsync(path =>
        {
            foreach (var run in runs) run.State!.Write(run.PathIn(path));
            before?.Invoke(Path.Combine(path, "gateway/journal"));
        });
        Assert.Null(rig.Volume.Health.ReadOnlyBecause);
        foreach (var run in runs)
        {
            var repository = rig.Volume.Pushed(run.Name);
            var seen = string.Join(
                ' ',
                await repository.ReadManifestAsync(Image, default) is Result<StoredManifest>.Found,
                !(await VolumeRig.LiveAsync(repository, "v1")).IsEmpty,
                await VolumeRig.ReadAsync(repository, Blob) != "absent",
                repository.HeldPushes().Any(),
                EvidenceNotes.List(repository, Subject).Contains(Image));
            var expected = string.Join(' ', Enumerable.Repeat(run.IsPush(Steps - 1), 5));
            if (seen != expected)
                Assert.Fail($"{run}: expected presence of manifest, tag, blob, held push and note: {expected}, got {seen}");
        }
    }

    private static void WithoutLinkTimes(string journal)
    {
        var records = Journal.Read(journal).ToArray();
        foreach (var segment in Journal.Segments(journal)) File.Delete(segment);
        using var durability = new Durability(journal, NullLogger.Instance);
        using var rewritten = Journal.Create(journal, 0, durability);
        foreach (var record in records)
        {
            var operations = record.Operations.Select(static o => o is Operation.Removal removal ? removal with { Written = null } : o);
            rewritten.Append(record with { Operations = [.. operations] });
        }
        rewritten.Flush(records[^1].Sequence);
    }

    /// <summary>One order of pushes and deletes.</summary>
    /// <param name="Order">One bit for each step: set for a push, clear for a delete.</param>
    /// <param name="After">The number of steps after which the disk was in the state that the kill leaves.</param>
    private sealed record Run(int Order, int After)
    {
        public RepositoryName Name { get; } =
            RepositoryName.Parse(string.Create(CultureInfo.InvariantCulture, $"team/app{Order}-{After}"));

        public Folder? State { get; set; }

        public bool IsPush(int step) => (Order >> step & 1) == 1;

        public string PathIn(string volume) => Path.Combine(volume, "docker/registry/v2/repositories", Name.Value);

        public ValueTask<CommitResult> StepAsync(Volume volume, int step) => volume.Pushed(Name).CommitAsync(
            new(IsPush(step)
                ?
                [
                    new Operation.LinkBlob(Blob, Config.Length),
                    new Operation.StoreManifest(Image, Manifest),
                    new Operation.SetLive(V1, Image),
                    new Operation.Hold(Waiting, Image, "tester", Start.AddDays(1), "a signature"),
                    new Operation.AddEvidence(Subject, Image),
                ]
                : [new Operation.RemoveManifest(Image), new Operation.RemoveBlob(Blob)]),
            default);

        public override string ToString() =>
            string.Join(", ", Enumerable.Range(0, Steps).Select(step => IsPush(step) ? "push" : "delete"))
            + $"; disk as after step {After}";
    }

    /// <summary>The files of a folder with their modification times.</summary>
    private sealed record Folder((string Path, byte[] Bytes, DateTime Written)[] Files)
    {
        public static Folder Read(string path) => new(
        [
            .. Disk.FilesBelow(path, "*").Select(
                file => (Path.GetRelativePath(path, file), File.ReadAllBytes(file), File.GetLastWriteTimeUtc(file))),
        ]);

        public void Write(string path)
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            foreach (var (name, bytes, written) in Files)
            {
                var file = Path.Combine(path, name);
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                File.WriteAllBytes(file, bytes);
                File.SetLastWriteTimeUtc(file, written);
            }
        }
    }

    /// <summary>A clock that the test moves; its timers are the system's.</summary>
    private sealed class StepClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = Start;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
