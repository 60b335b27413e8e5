using System.Text;
using Xunit;
using static Gateway.Oci.Tests.ManifestTexts;

namespace Gateway.Oci.Tests;

/// <summary>The cost of reading one document of 4 MiB with any content, in allocated bytes, which are the same on every machine.</summary>
public sealed class ManifestCostTests
{
    // SECURITY.md.
    private const long MaxAllocated = 64 << 20;

    private const int Length = 4 << 20;

    /// <summary>Limits for documents that another program stored, or that were received before a limit was lowered.</summary>
    private static readonly ManifestLimits ReadBack =
        new() { MaxBytes = 64 << 20, MaxDescriptors = 1_000_000, MaxAnnotationBytes = 64 << 20, MaxDepth = 64 };

    private static readonly string WithData = Layer.Replace("\"size\":2", "\"size\":60000", StringComparison.Ordinal)
        .Replace(Sha, Digest.Of(new byte[60_000]).ToString(), StringComparison.Ordinal)
        .Insert(1, $"\"data\":\"{Convert.ToBase64String(new byte[60_000])}\",");

    public static TheoryData<string> Fillings => [.. Shapes.Keys];

    private static readonly Dictionary<string, Func<int, string>> Shapes = new(StringComparer.Ordinal)
    {
        ["annotations"] = static length => Image($"\"annotations\":{{{Fill(length, static i => $"\"{Mixed(i):x}\":\"\"")}}}"),
        ["annotations that begin alike"] = static length =>
            Image($"\"annotations\":{{{Fill(length, static i => $"\"{new string('a', 300)}{Mixed(i):x}\":\"\"")}}}"),
        ["one long annotation"] = static length =>
            Image($"\"annotations\":{{\"k\":\"{string.Concat(Enumerable.Repeat("\\u0041", length / 6))}\"}}"),
        ["urls"] = static length => Image(layers: WithField($"\"urls\":[{Fill(length, static _ => "\"\"")}]")),
        ["descriptors"] = static length => Image(layers: Fill(length, static _ => Layer)),
        ["inline data"] = static length => Image(layers: Fill(length, static _ => WithData)),
        ["unknown keys"] = static length => Image(Fill(length, static i => $"\"{new string('k', 400)}{i}\":0")),
        ["unknown arrays"] = static length => Image($"\"x\":[{Fill(length, static _ => "[]")}]"),
        ["escaped strings"] = static length => Image($"\"x\":[{Fill(length, static _ => "\"\\n\"")}]"),
        ["platforms"] = static length => Index(children: Fill(length, static _ => Child.Insert(1, "\"platform\":{\"os\":\"\"},"))),
        ["a long media type"] = static length => Image($"\"artifactType\":\"{new string('a', length)}\""),
        ["a long key"] = static length => Image($"\"{new string('k', length)}\":{{\"a\":1,\"a\":2}}"),
    };

    [Theory]
    [MemberData(nameof(Fillings))]
    public void Document_of_4_MiB_stays_below_the_documented_cost_which_grows_linearly(string filling)
    {
        foreach (var limits in new[] { ManifestLimits.Plain, new ManifestLimits(), ReadBack })
        {
            var (half, whole) = (Cost(Shapes[filling](Length / 2), limits), Cost(Shapes[filling](Length), limits));
            Assert.InRange(whole, 0, MaxAllocated);
            // Lists double as they grow, so a document of twice the length can cost four times as much when it just exceeds a size.
            Assert.InRange(whole, 0, (4 * half) + 64 * 1024);
        }
    }

    [Fact]
    public void Annotation_limit_applies_to_the_whole_document_with_and_without_a_policy()
    {
        foreach (var limits in new[] { ManifestLimits.Plain, new ManifestLimits() })
        {
            Assert.Null(Read(Image($"\"annotations\":{{{Many(6_000)}}}", WithField($"\"annotations\":{{{Many(4_000)}}}")), limits: limits)
                .Problem);
            Refuse(
                ProblemCodes.LimitAnnotations,
                Image($"\"annotations\":{{{Many(6_000)}}}", WithField($"\"annotations\":{{{Many(4_001)}}}")), limits: limits);
        }

        static string Many(int count) => string.Join(',', Enumerable.Range(0, count).Select(static i => $"\"{i}\":\"\""));
    }

    [Fact]
    public void Url_limit_applies_to_the_whole_document()
    {
        Assert.Null(Read(Image(layers: WithUrls(5_000) + "," + WithUrls(5_000))).Problem);
        Refuse(ProblemCodes.LimitUrls, Image(layers: WithUrls(5_000) + "," + WithUrls(5_001)));

        static string WithUrls(int count) => WithField($"\"urls\":[{string.Join(',', Enumerable.Repeat("\"a\"", count))}]");
    }

    private static long Cost(string json, ManifestLimits limits)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        ManifestReader.Read(bytes, null, limits);
        var before = GC.GetAllocatedBytesForCurrentThread();
        ManifestReader.Read(bytes, null, limits);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    // In an order that no reader can profit from (Knuth, multiplicative hashing).
    private static uint Mixed(int i) => (uint)i * 2654435761;

    private static string Fill(int length, Func<int, string> item)
    {
        var text = new StringBuilder(item(0));
        for (var i = 1; item(i) is var next && text.Length + next.Length + 1 <= length - 1024; i++) text.Append(',').Append(next);
        return text.ToString();
    }
}
