using Xunit;
using static Gateway.Oci.Tests.ManifestTexts;

namespace Gateway.Oci.Tests;

/// <summary>Limits of a manifest's size and content.</summary>
public sealed class ManifestLimitsTests
{
    [Fact]
    public void Document_over_the_limit_is_refused_before_it_is_parsed() =>
        Refuse(ProblemCodes.LimitBytes, new string('x', 101), limits: new ManifestLimits { MaxBytes = 100 });

    [Fact]
    public void Nesting_over_the_limit_is_refused()
    {
        // The document itself is the first level.
        Accept(Image("\"x\":" + new string('[', 31) + new string(']', 31)));
        Refuse(ProblemCodes.LimitDepth, Image("\"x\":" + new string('[', 32) + new string(']', 32)));
        Refuse(ProblemCodes.LimitDepth, Image("\"x\":" + string.Concat(Enumerable.Repeat("{\"a\":", 10_000))));
    }

    [Fact]
    public void Descriptor_limit_applies_to_the_whole_document()
    {
        var limits = new ManifestLimits { MaxDescriptors = 5 };
        Assert.Null(Read(Image($"\"subject\":{Child}", string.Join(',', Enumerable.Repeat(Layer, 3))), limits: limits).Problem);
        Refuse(ProblemCodes.LimitDescriptors, Image($"\"subject\":{Child}", string.Join(',', Enumerable.Repeat(Layer, 4))), limits: limits);
        Refuse(ProblemCodes.LimitDescriptors, Index(children: string.Join(',', Enumerable.Repeat(Child, 2001))));
    }

    [Fact]
    public void Annotation_byte_limit_applies_to_the_whole_document()
    {
        var half = new string('a', 128 * 1024 - 1);
        var other = WithField($"\"annotations\":{{\"l\":\"{half}\"}}");
        Accept(Image($"\"annotations\":{{\"k\":\"{half}\"}}", other));
        Refuse(ProblemCodes.LimitAnnotations, Image($"\"annotations\":{{\"kk\":\"{half}\"}}", other));
    }

    [Fact]
    public void Too_many_unknown_keys_are_refused() =>
        Refuse(ProblemCodes.LimitKeys, Image(string.Join(',', Enumerable.Range(0, 10_001).Select(static i => $"\"k{i}\":0"))));

    [Fact]
    public void Inline_data_over_the_limit_is_refused()
    {
        static string WithData(int length)
        {
            var data = new byte[length];
            return $$"""{"mediaType":"a/b","digest":"{{Digest.Of(data)}}","size":{{length}},"data":"{{Convert.ToBase64String(data)}}"}""";
        }

        Accept(Image(layers: WithData(65536)));
        Refuse(ProblemCodes.LimitData, Image(layers: WithData(65537)));
        Refuse(ProblemCodes.LimitData, Image(layers: WithData(1_000_000)));
    }
}
