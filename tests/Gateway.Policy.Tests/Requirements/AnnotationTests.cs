using System.Collections.Immutable;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Annotations and labels.</summary>
public sealed class AnnotationTests
{
    private const string Source = "org.opencontainers.image.source";

    private static RequireOptions Needs(TextComparison comparison, string pattern) => new()
    {
        Annotations = ImmutableSortedDictionary<string, TextCondition>.Empty.Add(Source, new(comparison, pattern)),
    };

    private static readonly RequireOptions Acme = Needs(TextComparison.Glob, "https://github.com/acme/*");

    private static Manifest Said(Manifest manifest, string value) =>
        manifest with { Annotations = manifest.Annotations.SetItem(Source, value) };

    private static ImageConfig Labelled(string value) =>
        Runs("linux", "amd64") with { Labels = ImmutableSortedDictionary<string, string>.Empty.Add(Source, value) };

    [Theory]
    [InlineData(TextComparison.Exact, "a.b", "a.b", true)]
    [InlineData(TextComparison.Exact, "a.b", "axb", false)]
    [InlineData(TextComparison.Exact, "a.b", "A.B", false)]
    [InlineData(TextComparison.Glob, "https://github.com/acme/*", "https://github.com/acme/x", true)]
    [InlineData(TextComparison.Glob, "https://github.com/acme/*", "https://github.com/acme/x/y", false)]
    [InlineData(TextComparison.Glob, "https://github.com/acme/*", "evil https://github.com/acme/x", false)]
    [InlineData(TextComparison.Regex, "[0-9a-f]{4}", "0af9", true)]
    [InlineData(TextComparison.Regex, "[0-9a-f]{4}", "0af9a", false)]
    [InlineData(TextComparison.Regex, "acme", "evil-acme.io", false)]
    [InlineData(TextComparison.Regex, "a|b", "ab", false)]
    [InlineData(TextComparison.Regex, "a|b", "b", true)]
    [InlineData(TextComparison.Regex, "a", "a\n", false)]
    public void Annotation_must_match_from_end_to_end(TextComparison comparison, string pattern, string value, bool admitted)
    {
        var verdict = Needs(comparison, pattern).Ask(Question(Said(Image, value)));
        Assert.Equal(admitted ? [] : [ReasonCodes.AnnotationMismatch], verdict.Codes());
    }

    [Fact]
    public void Missing_annotation_is_named_in_the_message()
    {
        var reason = Assert.Single(Acme.Ask(Question(Image)).Reasons);
        Assert.Equal(
            (ReasonCodes.AnnotationMissing, $"annotations.{Source}", "glob https://github.com/acme/*"),
            (reason.Code, reason.Path, reason.Expected));
    }

    [Fact]
    public void Labels_count_when_the_rule_says_so_and_annotations_do_not_hide_them()
    {
        var labels = Acme with { AnnotationsFromLabels = true };
        var input = Question(Image).WithConfigs((Image, Labelled("https://github.com/acme/x")));
        Assert.False(Acme.Ask(input).Admits);
        Assert.True(labels.Ask(input).Admits);
        var good = Said(Image, "https://github.com/acme/x");
        Assert.Equal(
            [ReasonCodes.AnnotationMismatch], labels.Ask(Question(good).WithConfigs((good, Labelled("https://evil.example/")))).Codes());
        Assert.True((labels with { AnnotationsFromManifest = false }).Ask(input).Admits);
        Assert.False((labels with { AnnotationsFromManifest = false }).Ask(Question(good)).Admits);
    }

    [Fact]
    public void Index_without_an_annotation_that_all_its_images_have_is_admitted()
    {
        var (good, other) = (Said(Image, "https://github.com/acme/x"), Artifact(MediaTypes.OciConfig, Zstd));
        Assert.True(Acme.Ask(Question(Index(good), good)).Admits);
        Assert.Equal([ReasonCodes.ChildDenied], Acme.Ask(Question(Index(good, other), good, other)).Codes());
        Assert.False(Acme.Ask(Question(Index(good, other), good)).Admits);
        Assert.False(Acme.Ask(Question(Index())).Admits);
        Assert.True(Acme.Ask(Question(Said(Index(other), "https://github.com/acme/x"))).Admits);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("https://evil.example/")]
    public void Annotation_of_an_index_does_not_replace_that_of_its_image(string? label)
    {
        var labels = Acme with { AnnotationsFromLabels = true };
        var config = (Image, label is null ? Runs("linux", "amd64") : Labelled(label));
        var said = Said(Index(Image), "https://github.com/acme/x");
        var around = Said(Index(said), "https://github.com/acme/x");
        foreach (var kinds in new ManifestKind[][] { [ManifestKind.Image], [ManifestKind.Image, ManifestKind.Index] })
        {
            Verdict Ask(PolicyInput input) => labels.Ask(input.WithConfigs(config), rule => rule with { Kinds = [.. kinds] });
            Assert.Equal([ReasonCodes.ChildDenied], Ask(Question(said, Image)).Codes());
            Assert.Equal([ReasonCodes.ChildDenied], Ask(Question(around, said, Image)).Codes());
            Assert.False(Ask(Question(Image).With(facts => facts with { Above = [(DigestOf(said), said)] })).Admits);
        }
    }

    [Fact]
    public void Wrong_annotation_of_an_index_is_refused_even_if_its_images_are_right()
    {
        var good = Said(Image, "https://github.com/acme/x");
        var wrong = Said(Index(good), "https://evil.example/");
        Assert.Equal([ReasonCodes.AnnotationMismatch], Acme.Ask(Question(wrong, good)).Codes());
        Assert.Equal([ReasonCodes.ChildDenied], Acme.Ask(Question(Index(wrong), wrong, good)).Codes());
    }

    [Fact]
    public void Hostile_value_is_shown_in_printable_ascii()
    {
        var message = Acme.Ask(Question(Said(Image, "\u001b[2J\r\nevil\u202e"))).Reasons[0].Message;
        Assert.DoesNotContain(message, static c => c is < ' ' or > '~');
    }

    [Theory]
    [InlineData("(a+)+b", true)]
    [InlineData("(?=a)b", false)]
    [InlineData(@"(a)\1", false)]
    [InlineData("[", false)]
    [InlineData("a)|(b", false)]
    public void Regular_expression_that_cannot_match_in_linear_time_is_refused(string regex, bool taken) =>
        Assert.Equal(taken, TextMatcher.ProblemOf(regex) is null);
}
