using BenchmarkDotNet.Attributes;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Bench;

/// <summary>
/// A pull of a signed manifest with a noted verdict through the gate, the same pull without a policy, and the lookup of one link in the
/// lookup index, which is part of both.
/// </summary>
[GroupBenchmarksBy(BenchmarkDotNet.Configs.BenchmarkLogicalGroupRule.ByCategory)]
public class WarmPull
{
    private static readonly Caller Puller = new("node", AccessActions.Pull);

    private PolicedVolume _volume = null!;

    [GlobalSetup]
    public void Open() => _volume = PolicedVolume.OpenAsync().GetAwaiter().GetResult();

    [GlobalCleanup]
    public void Close() => _volume.DisposeAsync().AsTask().GetAwaiter().GetResult();

    [Benchmark(Baseline = true), BenchmarkCategory("digest")]
    public ValueTask<object> ByDigestWithoutPolicy() => PullAsync(_volume.Plain, new(_volume.Digest));

    [Benchmark, BenchmarkCategory("digest")]
    public ValueTask<object> ByDigest() => PullAsync(_volume.Gated, new(_volume.Digest));

    [Benchmark(Baseline = true), BenchmarkCategory("tag")]
    public ValueTask<object> ByTagWithoutPolicy() => PullAsync(_volume.Plain, new(PolicedVolume.Tag));

    [Benchmark, BenchmarkCategory("tag")]
    public ValueTask<object> ByTag() => PullAsync(_volume.Gated, new(PolicedVolume.Tag));

    [Benchmark, BenchmarkCategory("tag")]
    public ValueTask<object> ByTagUnderARuleOfTags() => PullAsync(_volume.GatedByTag, new(PolicedVolume.Tag));

    [Benchmark, BenchmarkCategory("index")]
    public async ValueTask<object> ReadLink() =>
        await _volume.Stored.ReadLinkAsync(_volume.Digest, LinkKind.Manifest, default)
            ?? throw new InvalidOperationException("expected the link to exist, got none");

    private static async ValueTask<object> PullAsync(Repository repository, Reference reference) =>
        await repository.GetManifestAsync(Puller, reference, default) is Answer<StoredManifest>.Found found
            ? found
            : throw new InvalidOperationException($"expected {reference} to be admitted, got another answer");
}
