using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forge;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>What is read of evidence when there is more than the budget, or less than the evidence states.</summary>
public sealed class EvidenceBudgetTests
{
    private static readonly TestKey Release = TestKey.Ecdsa();
    private static readonly TestKey Stranger = TestKey.Ecdsa();
    private static readonly TrustOptions Trust = TrustIn.Keys(Release);

    // Row 32.
    [Fact]
    public void Flood_of_signatures_ends_at_the_budget_and_says_so()
    {
        var flood = Enumerable.Range(0, 1000).Select(i => SimpleSigning(Stranger, Payload(reference: $"r{i}"), [0x30])).ToArray();

        Assert.Equal(EvidenceBudget.MaxSignatures, EvidenceSet.Read([Tagged(flood)]).Found.Length);
        Assert.Equal(ReasonCodes.EvidenceBudget, Ask(Trust, Tagged(flood)).Code);
        Assert.True(Ask(Trust, Tagged([SimpleSigning(Release), .. flood])).IsSatisfied);
    }

    [Fact]
    public void Flood_of_manifests_ends_at_the_budget_and_the_newest_are_read()
    {
        var flood = Enumerable.Range(0, 200)
            .Select(i => Referrer(Now.AddMinutes(-i), SimpleSigning(Stranger, Payload(reference: $"r{i}"), [0x30]))).ToArray();

        Assert.Equal(ReasonCodes.EvidenceBudget, Ask(Trust, flood).Code);
        Assert.Equal(ReasonCodes.EvidenceBudget, Ask(Trust, [.. flood, Tagged(Now.AddDays(-1), SimpleSigning(Release))]).Code);
        Assert.True(Ask(Trust, [.. flood, Tagged(Now.AddDays(1), SimpleSigning(Release))]).IsSatisfied);
    }

    [Fact]
    public void Layer_above_the_budget_is_not_read()
    {
        var huge = new byte[EvidenceBudget.MaxPayload + 1];

        var check = Ask(Trust, Tagged(SimpleSigning(Release, huge, [0x30])));

        Assert.Equal(ReasonCodes.EvidenceBudget, check.Code);
    }

    [Fact]
    public void Canceled_evaluation_reports_unread_evidence()
    {
        var check = new EvidenceVerifier(Trust).Signatures(
            new("release"), Subject, Repository, EvidenceSet.Read([Tagged(SimpleSigning(Release))]), Now,
            cancellation: new CancellationToken(canceled: true));

        Assert.Equal(ReasonCodes.EvidenceBudget, check.Code);
    }

    [Fact]
    public void Index_and_image_contain_no_signatures()
    {
        Assert.Empty(
            EvidenceSet.Read([new(Other, Sample.Index(Sample.Image), null, Now, ImmutableDictionary<Digest, ReadOnlyMemory<byte>>.Empty)])
                .Found);
        Assert.Empty(
            EvidenceSet.Read([new(Other, Sample.Image, TagName.Parse("x"), Now, ImmutableDictionary<Digest, ReadOnlyMemory<byte>>.Empty)])
                .Found);
    }

    [Fact]
    public void Copy_of_a_signature_whose_layer_is_not_here_does_not_hide_the_signature()
    {
        var signature = SimpleSigning(Release);
        var genuine = Tagged(Now.AddDays(-1), SimpleSigning(Stranger), signature);
        var copy = Tagged(signature) with { Blobs = ImmutableDictionary<Digest, ReadOnlyMemory<byte>>.Empty };

        Assert.True(Ask(Trust, copy, genuine).IsSatisfied);
        Assert.True(Ask(Trust, genuine, copy).IsSatisfied);
    }

    [Fact]
    public void Missing_layer_is_reported_as_missing()
    {
        var evidence = Tagged(SimpleSigning(Release)) with { Blobs = ImmutableDictionary<Digest, ReadOnlyMemory<byte>>.Empty };

        Assert.Contains("is not here", Ask(Trust, evidence).Why, StringComparison.Ordinal);
    }
}
