using System.Text;
using Xunit;

namespace Gateway.Oci.Tests;

/// <summary>Texts of manifests, and assertions whether they are accepted.</summary>
internal static class ManifestTexts
{
    public const string Sha = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    public const string Empty = $$"""{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{{Sha}}","size":2}""";
    public const string Layer = $$"""{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{{Sha}}","size":2}""";
    public const string Config = $$"""{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{Sha}}","size":2}""";
    public const string Child = $$"""{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{{Sha}}","size":2}""";

    public static (Manifest? Manifest, ManifestProblem? Problem) Read(
        string json, string? contentType = null, ManifestLimits? limits = null) =>
        ManifestReader.Read(Encoding.UTF8.GetBytes(json), contentType, limits ?? new());

    public static Manifest Accept(string json, string? contentType = null)
    {
        var (manifest, problem) = Read(json, contentType);
        Assert.Null(problem);
        return manifest!;
    }

    public static string Refuse(string code, string json, string? contentType = null, ManifestLimits? limits = null) =>
        Refuse(code, Read(json, contentType, limits));

    public static string Refuse(string code, (Manifest? Manifest, ManifestProblem? Problem) answer)
    {
        Assert.Null(answer.Manifest);
        Assert.NotNull(answer.Problem);
        Assert.Equal(code, answer.Problem.Code);
        Assert.InRange(answer.Problem.Message.Length, 1, 400);
        Assert.DoesNotContain(answer.Problem.Message, static c => c is < ' ' or > '~');
        return answer.Problem.Message;
    }

    public static string Image(string more = "", string layers = Layer, string config = Config) =>
        $$"""{"schemaVersion":2,"config":{{config}},"layers":[{{layers}}]{{(more.Length == 0 ? "" : "," + more)}}}""";

    public static string Index(string more = "", string children = Child) =>
        $$"""{"schemaVersion":2,"manifests":[{{children}}]{{(more.Length == 0 ? "" : "," + more)}}}""";

    public static string WithField(string field, string layer = Layer) => layer.Insert(1, field + ",");
}
