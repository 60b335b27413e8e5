using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// Random histories of a volume and a model of it. After each collection the volume has what the model needs, and nothing else that is old.
/// </summary>
public sealed class CollectionModelTests
{
    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);
    private static readonly string[] Names = ["team/a", "team/b"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Collection_removes_exactly_what_nothing_needs(int seed)
    {
        var (random, clock) = (new Random(seed), new AdvancedClock());
        await using var rig = await VolumeRig.OpenAsync(clock);
        var model = new Model();
        for (var step = 0; step < 120; step++)
        {
            var name = Names[random.Next(Names.Length)];
            var repository = rig.Volume.Pushed(RepositoryName.Parse(name));
            await StepAsync(repository, name, model, random);
            if (random.Next(6) > 0) continue;
            if (random.Next(4) == 0) await rig.KillAsync();
            clock.Advance(2 * Grace);
            var isUntagged = random.Next(2) == 0;
            TimeSpan? age = isUntagged ? TimeSpan.FromMinutes(1) : null;
            // Twice: a deleted subject's evidence may itself be a subject.
            for (var i = 0; i < 2; i++)
            {
                await rig.Volume.Collector.RunAsync(
                    new(false, age, new HashSet<string>()), static _ => { }, CancellationToken.None);
                clock.Advance(2 * Grace);
            }
            model.Collect(isUntagged);
            foreach (var each in Names) Compare(rig.Volume.Pushed(RepositoryName.Parse(each)), model.Of(each));
            var expected = Names.SelectMany(each => model.Of(each).Contents()).ToHashSet();
            var stored = RepositoryFolders.Contents(rig.Volume.Roots.Pushed).Where(c => File.Exists(c.Data)).Select(c => c.Digest);
            Assert.Equal(expected, [.. stored]);
        }
    }

    private static void Compare(StoredRepository repository, ModelRepository model)
    {
        Assert.Equal(model.Manifests.Keys.ToHashSet(), [.. repository.Manifests()]);
        Assert.Equal(model.Blobs, [.. repository.Blobs()]);
        Assert.Equal(
            model.Tags.OrderBy(static t => t.Key, StringComparer.Ordinal).Select(static t => (t.Key, t.Value)),
            repository.Tags().OrderBy(static t => t.Value, StringComparer.Ordinal).Select(t => (t.Value, repository.LiveOf(t))));
        foreach (var (digest, manifest) in model.Manifests) Assert.Equal(manifest.Bytes, repository.ReadManifest(digest)!.Bytes.ToArray());
    }

    private static async Task StepAsync(StoredRepository repository, string name, Model model, Random random)
    {
        var of = model.Of(name);
        var tag = $"t{random.Next(4)}";
        switch (random.Next(8))
        {
            case < 3:
                await PushImageAsync(repository, of, tag, random, subject: default);
                break;
            case 3 when of.Pick(random) is { IsEmpty: false } subject:
                await PushImageAsync(repository, of, $"r{random.Next(3)}", random, subject);
                if (random.Next(2) == 0) await RemoveTagAsync(repository, of, of.Tags.Keys.Last());
                break;
            case 4 when of.Pick(random) is { IsEmpty: false } child:
                await PushIndexAsync(repository, of, tag, child);
                break;
            case 5 when of.Tags.Count > 0:
                await RemoveTagAsync(repository, of, of.Tags.Keys.ElementAt(random.Next(of.Tags.Count)));
                break;
            case 6 when of.Pick(random) is { IsEmpty: false } gone:
                await repository.CommitAsync(new([new Operation.RemoveManifest(gone)]), default);
                of.Delete(gone);
                break;
            default:
                of.Blobs.Add(await VolumeRig.PushBlobAsync(repository, Encoding.UTF8.GetBytes($"lone {random.Next(20)}")));
                break;
        }
    }

    private static async Task RemoveTagAsync(StoredRepository repository, ModelRepository of, string tag)
    {
        await repository.CommitAsync(new([new Operation.RemoveTag(TagName.Parse(tag))]), default);
        of.Tags.Remove(tag);
    }

    private static async Task PushImageAsync(StoredRepository repository, ModelRepository of, string tag, Random random, Digest subject)
    {
        var text = $"config {random.Next(12)}";
        var about = subject.IsEmpty ? null : new Descriptor(MediaTypes.OciManifest, subject, 1);
        var digest = await VolumeRig.PushAsync(repository, tag, text, about);
        var blob = Digest.Of(Encoding.UTF8.GetBytes(text));
        of.Store(tag, digest, new(VolumeRig.ManifestOf(blob, text.Length, about), [blob], [], subject));
    }

    private static async Task PushIndexAsync(StoredRepository repository, ModelRepository of, string tag, Digest child)
    {
        var bytes = VolumeRig.Index(new Descriptor(MediaTypes.OciManifest, child, 1));
        var digest = Digest.Of(bytes);
        await repository.CommitAsync(
            new([new Operation.StoreManifest(digest, bytes), new Operation.SetLive(TagName.Parse(tag), digest)]), default);
        of.Store(tag, digest, new(bytes, [], [child], default));
    }

    private sealed record ModelManifest(byte[] Bytes, Digest[] Blobs, Digest[] Children, Digest Subject);

    private sealed class Model
    {
        private readonly Dictionary<string, ModelRepository> _repositories =
            Names.ToDictionary(static n => n, static _ => new ModelRepository());

        public ModelRepository Of(string name) => _repositories[name];

        public void Collect(bool isUntagged)
        {
            foreach (var repository in _repositories.Values) repository.Collect(isUntagged);
        }
    }

    private sealed class ModelRepository
    {
        private readonly HashSet<Digest> _deleted = [];

        public SortedDictionary<string, Digest> Tags { get; } = new(StringComparer.Ordinal);

        public Dictionary<Digest, ModelManifest> Manifests { get; } = [];

        public HashSet<Digest> Blobs { get; } = [];

        public Digest Pick(Random random) =>
            Manifests.Count == 0 ? default : Manifests.Keys.Order().ElementAt(random.Next(Manifests.Count));

        public IEnumerable<Digest> Contents() => Manifests.Keys.Concat(Blobs);

        public void Store(string tag, Digest digest, ModelManifest manifest)
        {
            (Manifests[digest], Tags[tag]) = (manifest, digest);
            Blobs.UnionWith(manifest.Blobs);
            _deleted.Remove(digest);
        }

        public void Delete(Digest digest)
        {
            if (Manifests.Values.Any(other => other.Subject == digest)) _deleted.Add(digest);
            Manifests.Remove(digest);
            foreach (var tag in Tags.Where(t => t.Value == digest).Select(static t => t.Key).ToArray()) Tags.Remove(tag);
        }

        public void Collect(bool isUntagged)
        {
            for (var round = 0; round < 2; round++)
            {
                foreach (var subject in _deleted.ToArray())
                {
                    var evidence = Manifests.Where(m => m.Value.Subject == subject && !IsTagged(m.Key) && !IsNamed(m.Key)).ToArray();
                    foreach (var each in evidence) Delete(each.Key);
                    if (!Manifests.Values.Any(m => m.Subject == subject)) _deleted.Remove(subject);
                }
                if (!isUntagged) continue;
                while (Unneeded().ToArray() is { Length: > 0 } unneeded)
                {
                    foreach (var each in unneeded) Delete(each);
                }
            }
            Blobs.IntersectWith(Manifests.Values.SelectMany(static m => m.Blobs));
        }

        private IEnumerable<Digest> Unneeded() =>
            Manifests.Where(m => m.Value.Subject.IsEmpty && !IsTagged(m.Key) && !IsNamed(m.Key)).Select(static m => m.Key);

        private bool IsTagged(Digest digest) => Tags.ContainsValue(digest);

        private bool IsNamed(Digest digest) => Manifests.Values.Any(m => m.Children.Contains(digest));
    }
}
