using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Signatures and other referrers are prefetched with their subject.</summary>
public sealed class ReferrersAheadTests : IAsyncDisposable
{
    private const string Bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 71);
    private Rig? _rig;

    private Rig Rig => _rig!;

    public ValueTask DisposeAsync() => _rig?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrers_and_cosign_tags_are_prefetched_and_served_while_the_upstream_is_down(bool hasApi)
    {
        await StartAsync();
        Rig.Hub.HasReferrersApi = hasApi;
        var image = AddImage("v1");
        var referrer = Rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle);
        if (!hasApi) Rig.Hub.WriteFallbackTag(Rig.Name, image.Digest);
        var signature = AddImage(TagOf(image, ".sig"));
        var attestation = AddImage(TagOf(image, ".att"));

        await Rig.PullTagAsync();
        await Rig.UntilAsync(() => Has(referrer) && IsWhole(signature) && IsWhole(attestation));
        Rig.Hub.When(_ => true).Respond(503);
        Rig.Clock.Advance(TimeSpan.FromHours(1));
        await Rig.RestartAsync();

        Assert.Equal([referrer], await ListAsync(image.Digest));
        Assert.Equal(signature.Digest, await Rig.PullTagAsync(TagOf(image, ".sig")));
        Assert.Equal(attestation.Digest, await Rig.PullTagAsync(TagOf(image, ".att")));
        foreach (var blob in signature.Layers.Append(signature.Config)) await Rig.ReadAsync(Rig.Backing, blob);
    }

    [Fact]
    public async Task Manifest_without_referrers_costs_one_list_and_three_HEADs_once()
    {
        await StartAsync();
        var image = AddImage("v1");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Rig.PullTagAsync()));
        await BehindAsync();
        await Rig.PullTagAsync();
        await BehindAsync();

        Assert.Equal(1, Rig.Hub.Count(r => r.IsReferrers && r.Path.EndsWith(image.Digest, StringComparison.Ordinal)));
        Assert.Equal(3, Tags(image, "HEAD"));
        Assert.Equal(0, Tags(image, "GET"));
    }

    [Fact]
    public async Task Referrers_of_referrers_are_not_prefetched()
    {
        await StartAsync();
        var image = AddImage("v1");
        var referrer = Rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle);
        var signature = AddImage(TagOf(image, ".sig"));
        await Rig.PullTagAsync();
        await Rig.UntilAsync(() => Has(referrer) && IsWhole(signature));
        await BehindAsync();

        foreach (var evidence in (string[])[referrer, signature.Digest])
            Assert.DoesNotContain(Rig.Hub.Requests, r => r.IsReferrers && r.Path.EndsWith(evidence, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrers_are_not_prefetched_on_demand_or_for_private_content(bool isPrivate)
    {
        await StartAsync(o => isPrivate ? o with { Auth = UpstreamAuth.Passthrough } : o with { Referrers = ReferrersFetch.OnDemand });
        AddImage("v1");
        await Rig.PullTagAsync();
        await Task.Delay(100);

        Assert.DoesNotContain(Rig.Hub.Requests, r => r.IsReferrers);
    }

    [Fact]
    public async Task Referrers_of_a_refused_manifest_are_not_prefetched()
    {
        await StartAsync();
        var image = AddImage("v1");
        var gate = Rig.Under(new PolicyOptions { Default = Outcome.Deny });
        Assert.IsType<Answer<StoredManifest>.Refused>(await gate.GetManifestAsync(Rig.Caller, new(TagName.Parse("v1")), default));
        await BehindAsync();

        Assert.DoesNotContain(Rig.Hub.Requests, r => r.IsReferrers && r.Path.EndsWith(image.Digest, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Upstream_that_hangs_or_fails_for_referrers_neither_delays_nor_fails_a_pull()
    {
        await StartAsync();
        var image = AddImage("v1");
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Rig.Hub.When(r => r.IsReferrers).WaitFor(gate.Task).Once();
        Assert.Equal(image.Digest, await Rig.PullTagAsync());
        await Rig.Hub.ReceivedAsync(r => r.IsReferrers);
        foreach (var blob in image.Layers.Append(image.Config)) await Rig.ReadAsync(Rig.Backing, blob);
        gate.SetResult();
        var broken = AddImage("v2");
        Rig.Hub.When(r => r.IsReferrers || r.Path.Contains("sha256-", StringComparison.Ordinal)).Respond(500).Times(1);

        Assert.Equal(broken.Digest, await Rig.PullTagAsync("v2"));
        await BehindAsync();
    }

    [Fact]
    public async Task Blob_too_large_for_evidence_is_not_prefetched()
    {
        await StartAsync();
        var image = AddImage("v1");
        var bytes = ScriptedUpstream.Bytes(Gateway.Policy.Signatures.EvidenceBudget.MaxAttestation + 1, seed: 72);
        var large = Rig.Hub.AddImage(Rig.Name, TagOf(image, ".sbom"), bytes, Layer);
        await Rig.PullTagAsync();
        await Rig.UntilAsync(() => Rig.IsStored(large.Layers[1]));
        await BehindAsync();

        Assert.False(Rig.IsStored(large.Layers[0]));
    }

    [Fact]
    public async Task Referrers_are_not_prefetched_after_half_of_the_rate_limit_is_used()
    {
        await StartAsync();
        Rig.Hub.LimitRates(10);
        for (var i = 0; i < 6; i++)
        {
            AddImage($"v{i}");
            await Rig.PullTagAsync($"v{i}");
        }
        var asked = Rig.Hub.Count(r => r.IsReferrers);
        var last = AddImage("last");
        await Rig.PullTagAsync("last");
        await Task.Delay(100);

        Assert.InRange(asked, 0, 5);
        Assert.DoesNotContain(Rig.Hub.Requests, r => r.IsReferrers && r.Path.EndsWith(last.Digest, StringComparison.Ordinal));
    }

    private async Task StartAsync(Func<UpstreamOptions, UpstreamOptions>? configure = null)
    {
        _rig = await Rig.StartAsync(configure);
        _rig.Fetches.Referrers.Start(_rig.PullAheadAsync);
    }

    /// <summary>Pulls one more image, and waits for its referrer: earlier prefetches have ended by then.</summary>
    private async Task BehindAsync()
    {
        var tag = Guid.NewGuid().ToString("N");
        var image = AddImage(tag);
        var (referrer, last) = (Rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle), AddImage(TagOf(image, ".sbom")));
        await Rig.PullTagAsync(tag);
        await Rig.UntilAsync(() => Has(referrer) && IsWhole(last));
    }

    private ScriptedImage AddImage(string? tag) => Rig.Hub.AddImage(Rig.Name, tag, Layer);

    private static string TagOf(ScriptedImage image, string suffix) => image.Digest.Replace(':', '-') + suffix;

    private int Tags(ScriptedImage image, string method) =>
        Rig.Hub.Count(r => r.Method == method && r.Path.Contains(TagOf(image, ""), StringComparison.Ordinal));

    private bool Has(string manifest) => Rig.IsStored(manifest);

    private bool IsWhole(ScriptedImage image) => Has(image.Digest) && image.Layers.Append(image.Config).All(Rig.IsStored);

    private async Task<string[]> ListAsync(string subject) =>
        [.. Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await Rig.Backing.ReferrersAsync(Rig.D(subject), default))
            .Value.Select(d => d.Digest.ToString())];
}
