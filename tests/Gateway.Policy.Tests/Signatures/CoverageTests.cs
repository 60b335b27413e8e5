using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Which manifests around an index must be signed.</summary>
public sealed class CoverageTests
{
    private static readonly Digest Index = Digest.Of("index"u8);
    private static readonly Digest Amd = Digest.Of("amd64"u8);
    private static readonly Digest Arm = Digest.Of("arm64"u8);

    private static EvidenceCheck Check(IndexCoverage coverage, Digest subject, Digest[] images, Digest[] above, params Digest[] signed) =>
        Coverage.Check(
            coverage, subject, images, above,
            digest => signed.Contains(digest) ? new(null, "signed", []) : new(ReasonCodes.SigNone, "no signature by release", []));

    [Theory]
    [InlineData(IndexCoverage.Index, true, false, true)]
    [InlineData(IndexCoverage.Index, false, true, false)]
    [InlineData(IndexCoverage.Children, true, false, false)]
    [InlineData(IndexCoverage.Children, false, true, true)]
    [InlineData(IndexCoverage.Either, true, false, true)]
    [InlineData(IndexCoverage.Either, false, true, true)]
    [InlineData(IndexCoverage.Either, false, false, false)]
    [InlineData(IndexCoverage.Both, true, false, false)]
    [InlineData(IndexCoverage.Both, false, true, false)]
    [InlineData(IndexCoverage.Both, true, true, true)]
    public void Coverage_decides_which_manifests_must_be_signed(IndexCoverage coverage, bool index, bool children, bool satisfied)
    {
        Digest[] signed = [.. index ? [Index] : Array.Empty<Digest>(), .. children ? [Amd, Arm] : Array.Empty<Digest>()];

        Assert.Equal(satisfied, Check(coverage, Index, [Amd, Arm], [], signed).IsSatisfied);
    }

    [Theory]
    [InlineData(IndexCoverage.Children)]
    [InlineData(IndexCoverage.Both)]
    public void Unsigned_image_of_an_index_is_named(IndexCoverage coverage)
    {
        var check = Check(coverage, Index, [Amd, Arm], [], Index, Amd);

        Assert.Equal(ReasonCodes.CoverageChildUnsigned, check.Code);
        Assert.Contains(Arm.ToString()[..19], check.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Partly_signed_index_is_reported_without_its_own_signature() =>
        Assert.Equal(ReasonCodes.SigNone, Check(IndexCoverage.Either, Index, [Amd, Arm], [], Amd).Code);

    [Theory]
    [InlineData(IndexCoverage.Index)]
    [InlineData(IndexCoverage.Children)]
    [InlineData(IndexCoverage.Either)]
    [InlineData(IndexCoverage.Both)]
    public void Index_without_images_is_not_covered_by_image_signatures(IndexCoverage coverage)
    {
        Assert.False(Check(coverage, Index, [], []).IsSatisfied);
        Assert.True(Check(coverage, Index, [], [], Index).IsSatisfied);
    }

    [Theory]
    [InlineData(IndexCoverage.Index, true)]
    [InlineData(IndexCoverage.Either, true)]
    [InlineData(IndexCoverage.Children, false)]
    [InlineData(IndexCoverage.Both, false)]
    public void Image_is_admitted_when_the_signature_of_its_index_counts(IndexCoverage coverage, bool satisfied)
    {
        Assert.Equal(satisfied, Check(coverage, Amd, [], [Index], Index).IsSatisfied);
        Assert.True(Check(coverage, Amd, [], [Index], Amd, Index).IsSatisfied);
        Assert.False(Check(coverage, Amd, [], [Index], Arm).IsSatisfied);
        Assert.False(Check(coverage, Amd, [], []).IsSatisfied);
    }
}
