using System.Collections.Immutable;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Storage.Tests;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>The evaluation of an index reads in proportion to the manifests that it lists, not to the tags of the push.</summary>
public sealed class WideIndexTests : IAsyncLifetime
{
    private const int Images = 40;
    private VolumeRig _volume = null!;

    public async ValueTask InitializeAsync() => _volume = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _volume.DisposeAsync();

    private StoredRepository Stored => _volume.Volume.Pushed(RepositoryName.Parse("team/app"));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(10)]
    public async Task Index_is_evaluated_for_any_number_of_tags_with_one_read_of_each_config(int tags)
    {
        var index = await PushIndexAsync();
        var backing = Counting.Over(Stored);
        var evaluations = new Evaluations(new(Policy(Trust())), new(_volume.Volume.DecisionRing), TimeProvider.System);
        var names = Enumerable.Range(0, tags).Select(i => TagName.Parse($"v1.0.{i}"));

        var arrival = await evaluations.Of(RepositoryName.Parse("team/app"), backing.Face)
            .OfArrivalAsync(index, Stage.Push, [.. names], default);

        Assert.Equal(tags, arrival.Tags.Length);
        Assert.Equal(Images, backing.Calls[nameof(IBacking.OpenBlobAsync)]);
        Assert.Equal(Images + 1, backing.Calls[nameof(IBacking.EvidenceAsync)]);
    }

    private static PolicyOptions Policy(TrustOptions trust) => new()
    {
        Default = Outcome.Allow,
        Trust = trust,
        Rules =
        [
            new RuleOptions
            {
                Id = "wide",
                Require = new()
                {
                    Annotations = ImmutableSortedDictionary<string, TextCondition>.Empty.Add("team", new(TextComparison.Exact, "one")),
                    AnnotationsFromLabels = true,
                    Platforms = new() { OnlyOs = ["linux"] },
                    TagMutability = TagMutability.MonotonicSemver,
                    Signatures = [new("release")],
                },
            },
        ],
    };

    private static TrustOptions Trust()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "release-2026", new(VerificationKey.Parse(key.ExportSubjectPublicKeyInfoPem()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
                "release", new("release") { AnyOf = ["release-2026"] }),
        };
    }

    private async Task<StoredManifest> PushIndexAsync()
    {
        var repository = Stored;
        var children = new List<Descriptor>();
        for (var i = 0; i < Images; i++)
        {
            var text = $$"""{"os":"linux","architecture":"a{{i}}"}""";
            var config = await VolumeRig.PushBlobAsync(repository, Encoding.UTF8.GetBytes(text));
            children.Add(await StoreAsync(GateRig.Manifest(new(MediaTypes.OciConfig, config, text.Length)), MediaTypes.OciManifest));
        }
        var bytes = GateRig.Index([.. children]);
        await StoreAsync(bytes, MediaTypes.OciIndex);
        return repository.ReadManifest(Digest.Of(bytes))!;

        async Task<Descriptor> StoreAsync(byte[] manifest, string type)
        {
            await repository.CommitAsync(new([new Operation.StoreManifest(Digest.Of(manifest), manifest)]), default);
            return new(type, Digest.Of(manifest), manifest.Length);
        }
    }

    /// <summary>A repository that counts the calls to it.</summary>
#pragma warning disable CA1852 // DispatchProxy makes a type that derives from it.
    private class Counting : DispatchProxy
#pragma warning restore CA1852
    {
        private IBacking _inner = null!;

        public IBacking Face { get; private set; } = null!;

        public Dictionary<string, int> Calls { get; } = [];

        public static Counting Over(IBacking inner)
        {
            var face = Create<IBacking, Counting>();
            var counting = (Counting)(object)face;
            (counting._inner, counting.Face) = (inner, face);
            return counting;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            Calls[targetMethod!.Name] = Calls.GetValueOrDefault(targetMethod.Name) + 1;
            return targetMethod.Invoke(_inner, args);
        }
    }
}
