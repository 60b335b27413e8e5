using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>Content that a client made up to break the pages of the console, or to run a script in them.</summary>
internal sealed class HostileContent(string host) : IDisposable
{
    /// <summary>
    /// Markup that runs a script where it is not escaped; a script sets <c>window.ran</c>. With marks that turn the direction of text
    /// around, and control characters.
    /// </summary>
    public const string Markup =
        "\"'></code></script><script>window.ran=1</script><img src=x onerror=window.ran=2><svg onload=window.ran=3>"
        + "<style>*{display:none}</style><base href=//evil.example/>\u202e\u2066\u0007\u0000&lt;{{7*7}}${window.ran=4}";

    /// <summary>A word that no line break interrupts.</summary>
    public static readonly string Long = new('W', 3000);

    /// <summary>The longest tag (distribution-spec: 128 characters).</summary>
    public static readonly string LongTag = "L" + new string('O', 126) + "G";

    /// <summary>A name of the greatest length in one part.</summary>
    public static readonly string LongName = "long/" + new string('n', 230);

    private readonly RawClient _client = new(host);

    /// <summary>The references of what <see cref="PushAsync"/> pushed, each the query of an image page.</summary>
    public static IReadOnlyList<string> References { get; } =
    [
        "hostile/app&reference=v1", $"hostile/app&reference={LongTag}", $"{LongName}&reference={LongTag}", "hostile/broken&reference=text",
        "hostile/broken&reference=array", "hostile/broken&reference=deep", "hostile/broken&reference=types", "hostile/many&reference=v1",
        "hostile/chart&reference=v1", "hostile/index&reference=v1", "hostile/referrers&reference=v1", "held/hostile&reference=v1",
    ];

    public void Dispose() => _client.Dispose();

    /// <summary>Pushes all of it.</summary>
    public async Task PushAsync()
    {
        await ImageAsync("hostile/app", ["v1", LongTag], Config(), Annotations());
        await ImageAsync(LongName, [LongTag], Config(), Annotations());
        await ImageAsync("held/hostile", ["v1"], Config(), Annotations());
        (string, string)[] broken =
        [
            ("text", "not json <b>"), ("array", "[1,2"), ("deep", new string('[', 5000) + new string(']', 5000)),
            ("types", """{"os":1,"architecture":{},"created":"0001-01-01T00:00:00Z","config":[],"history":{"a":1},"rootfs":7}"""),
        ];
        foreach (var (tag, text) in broken) await ImageAsync("hostile/broken", [tag], Encoding.UTF8.GetBytes(text), []);
        var many = new JsonObject();
        for (var i = 0; i < 9_900; i++) many[$"a{i}"] = "<i>value</i>";
        await ImageAsync("hostile/many", ["v1"], "{}"u8.ToArray(), many);
        await ChartAsync();
        await IndexAsync();
        await ReferrersAsync();
    }

    private static JsonObject Annotations() => new()
    {
        ["org.opencontainers.image.title"] = Markup, [Markup] = Markup, ["long"] = Long, [Long] = "long", ["empty"] = "",
        ["org.opencontainers.image.source"] = "javascript:window.ran=5", ["lines"] = "a\r\nb\n\n\tc",
    };

    private static byte[] Config() => OciLayout.Bytes(new JsonObject
    {
        ["os"] = Markup, ["architecture"] = Long, ["variant"] = Markup, ["created"] = "9999-12-31T23:59:59Z",
        ["config"] = new JsonObject
        {
            ["User"] = Markup, ["WorkingDir"] = Long, ["Entrypoint"] = new JsonArray(Markup, Long), ["Cmd"] = new JsonArray(Markup),
            ["Env"] = new JsonArray($"A={Markup}", $"B={Long}"), ["ExposedPorts"] = new JsonObject { [Markup] = new JsonObject() },
            ["Labels"] = new JsonObject { [Markup] = Markup, ["long"] = Long },
        },
        ["history"] = new JsonArray(new JsonObject { ["created_by"] = $"RUN {Markup}{Long}" }),
        ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray() },
    });

    private async Task<Described> ImageAsync(
        string repository, string[] tags, byte[] config, JsonObject annotations, Described? subject = null)
    {
        var layer = (await _client.BlobAsync(repository, "a layer"u8.ToArray(), OciLayout.GzipLayer)).ToJson();
        layer["annotations"] = new JsonObject { ["org.opencontainers.image.title"] = Markup };
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2, ["mediaType"] = OciLayout.ImageManifest,
            ["config"] = (await _client.BlobAsync(repository, config, OciLayout.ImageConfig)).ToJson(),
            ["layers"] = new JsonArray(layer), ["annotations"] = annotations,
        };
        if (subject is not null) manifest["subject"] = subject.ToJson();
        return await PutAsync(repository, tags, manifest, OciLayout.ImageManifest);
    }

    private async Task<Described> PutAsync(string repository, string[] tags, JsonObject manifest, string type)
    {
        var bytes = OciLayout.Bytes(manifest);
        foreach (var tag in tags)
        {
            using var pushed = await _client.PushManifestAsync(repository, tag, bytes, type);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        }
        return Described.Of(bytes, type);
    }

    private async Task ChartAsync()
    {
        var packed = new MemoryStream();
        await using (var zipped = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        await using (var tar = new TarWriter(zipped))
        {
            var readme = string.Concat(Enumerable.Repeat(Markup + Long, 400));
            (string, string)[] files = [("Chart.yaml", $"name: {Markup}\n"), ("README.md", readme), ("values.yaml", Long)];
            foreach (var (name, text) in files)
            {
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, $"web/{name}")
                {
                    DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text.Replace("\0", "", StringComparison.Ordinal))),
                });
            }
        }
        const string Content = "application/vnd.cncf.helm.chart.content.v1.tar+gzip", Config = "application/vnd.cncf.helm.config.v1+json";
        await PutAsync("hostile/chart", ["v1"], new()
        {
            ["schemaVersion"] = 2, ["mediaType"] = OciLayout.ImageManifest,
            ["config"] = (await _client.BlobAsync("hostile/chart", Encoding.UTF8.GetBytes("{}"), Config)).ToJson(),
            ["layers"] = new JsonArray((await _client.BlobAsync("hostile/chart", packed.ToArray(), Content)).ToJson()),
        }, OciLayout.ImageManifest);
    }

    private async Task IndexAsync()
    {
        var children = new JsonArray();
        for (var i = 0; i < 12; i++)
        {
            var child = await ImageAsync("hostile/index", [$"child{i}"], "{}"u8.ToArray(), new() { ["n"] = $"{i}" });
            var entry = child.ToJson();
            entry["platform"] = new JsonObject { ["os"] = i == 0 ? Markup : $"os{i}", ["architecture"] = Long, ["variant"] = Markup };
            children.Add(entry);
        }
        await PutAsync("hostile/index", ["v1"], new()
        {
            ["schemaVersion"] = 2, ["mediaType"] = OciLayout.ImageIndex, ["manifests"] = children, ["annotations"] = Annotations(),
        }, OciLayout.ImageIndex);
    }

    // An SBOM and provenance with hostile texts, a chain, and more evidence than a page lists. A cycle cannot be pushed, because a digest
    // cannot name itself.
    private async Task ReferrersAsync()
    {
        const string Repository = "hostile/referrers";
        var subject = await ImageAsync(Repository, ["v1"], "{}"u8.ToArray(), []);
        var statement = new JsonObject
        {
            ["_type"] = "https://in-toto.io/Statement/v1", ["predicateType"] = Markup,
            ["predicate"] = new JsonObject { ["builder"] = new JsonObject { ["id"] = Markup + Long } },
        };
        var last = subject;
        for (var i = 0; i < 70; i++)
        {
            statement["n"] = i;
            var layer = (await _client.BlobAsync(Repository, OciLayout.Bytes(statement), "application/vnd.in-toto+json")).ToJson();
            var made = await PutAsync(Repository, [$"e{i}"], new()
            {
                ["schemaVersion"] = 2, ["mediaType"] = OciLayout.ImageManifest, ["artifactType"] = "application/vnd.in-toto+json",
                ["config"] = (await _client.BlobAsync(Repository, "{}"u8.ToArray(), "application/vnd.oci.empty.v1+json")).ToJson(),
                ["layers"] = new JsonArray(layer), ["annotations"] = Annotations(), ["subject"] = (i < 66 ? subject : last).ToJson(),
            }, OciLayout.ImageManifest);
            last = made;
        }
    }
}
