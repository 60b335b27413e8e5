using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

public sealed class PolicyTestTests : IDisposable
{
    private readonly PolicyRig _rig = new();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly List<(string Tag, string Type, byte[] Bytes)> _entries = [];
    private readonly string _layout;

    public PolicyTestTests()
    {
        _layout = Path.Combine(_rig.Folder, "image");
        Directory.CreateDirectory(Path.Combine(_layout, "blobs", "sha256"));
        File.WriteAllText(Path.Combine(_layout, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
    }

    public void Dispose()
    {
        _key.Dispose();
        _rig.Dispose();
    }

    [Fact]
    public async Task Signed_image_is_admitted_and_unsigned_one_is_not()
    {
        var signed = Image("v1", "one");
        Image("v2", "two");
        Sign(signed, tag: $"sha256-{signed.Hex}.sig");
        Save();

        var (code, output, error) = await Run("""
            cases:
              - { name: signed, image: image, reference: v1, repository: prod/app, tag: v1, expect: { outcome: allow, codes: [] } }
              - { name: unsigned, image: image, reference: v2, repository: prod/app, expect: { outcome: deny, codes: [SIG_NONE] } }
              - { name: elsewhere, image: image, reference: v2, repository: stage/app, expect: { outcome: allow } }
            """);

        Assert.Equal((0, ""), (code, error));
        Assert.Equal("ok    signed\nok    unsigned\nok    elsewhere\n3 of 3 as expected", output.Trim().ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task Referrer_counts_like_a_tag()
    {
        var digest = Image("v1", "one");
        Sign(digest, subject: digest);
        Save();

        Assert.Equal(0, (await Run(
            "cases: [ { name: a, image: image, reference: v1, repository: prod/app, expect: { outcome: allow } } ]")).Code);
    }

    [Fact]
    public async Task Unexpected_outcome_is_reported_with_place_and_reasons()
    {
        Image("v1", "one");
        Save();

        var (code, output, _) = await Run(
            "cases:\n  - { name: a, image: image, repository: prod/app, expect: { outcome: allow } }\n");

        Assert.Equal(1, code);
        Assert.Contains("FAIL  a", output);
        Assert.Contains("cases.yaml:2:5", output);
        Assert.Contains("expected allow", output);
        Assert.Contains("got      deny [SIG_NONE]", output);
        Assert.Contains("policy rule 'signed'", output);
        Assert.Contains("0 of 1 as expected", output);
    }

    [Theory]
    [InlineData("[SIG_NONE]", 0)]
    [InlineData("[SIG_NONE, LIMIT_LAYERS]", 1)]
    [InlineData("[]", 1)]
    public async Task Codes_must_match_exactly(string codes, int expected)
    {
        Image("v1", "one");
        Save();

        Assert.Equal(expected, (await Run(
            $"cases: [ {{ name: a, image: image, repository: prod/app, expect: {{ outcome: deny, codes: {codes} }} }} ]")).Code);
    }

    [Theory]
    [InlineData("firstSeen: 2026-01-01", "allow")]
    [InlineData("firstSeen: 2026-03-01", "deny")]
    public async Task Signature_first_seen_before_key_retirement_still_counts(string seen, string outcome)
    {
        var digest = Image("v1", "one");
        Sign(digest, subject: digest);
        Save();

        Assert.Equal(0, (await Run(
            $"cases: [ {{ name: a, image: image, reference: v1, repository: prod/app, {seen}, now: 2026-04-01, expect: {{ outcome: {outcome} }} }} ]",
            "retiredAt: 2026-02-01")).Code);
    }

    [Theory]
    [InlineData("boundTo: [v1]", "allow", "[]")]
    [InlineData("boundTo: [v2, v1]", "deny", "[TAG_IMMUTABLE]")]
    [InlineData("boundTo: []", "allow", "[]")]
    [InlineData("boundTo: [\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"]", "deny", "[TAG_IMMUTABLE]")]
    public async Task Earlier_bindings_of_a_tag_can_be_given(string boundTo, string outcome, string codes)
    {
        Image("v1", "one");
        Image("v2", "two");
        Save();

        const string Rule = """{ id: stays, match: { repos: ["stage/**"] }, require: { tagMutability: immutable } }""";
        var (code, output, _) = await RunUnder(
            Rule, "cases: [ { name: a, image: image, reference: v1, repository: stage/app, tag: v1, stage: tag, "
            + $"{boundTo}, expect: {{ outcome: {outcome}, codes: {codes} }} }} ]");

        Assert.True(code == 0, output);
    }

    [Theory]
    [InlineData("not packed at all", "deny", "[MEDIA_UNTRUTHFUL]")]
    [InlineData(null, "allow", "[]")]
    public async Task Layers_of_the_layout_are_read(string? layer, string outcome, string codes)
    {
        Image("v1", "one", layer is null ? TarGzip() : Encoding.UTF8.GetBytes(layer));
        Save();

        const string Rule = """{ id: truthful, match: { repos: ["stage/**"] }, require: { truthfulMedia: [gzip, tar] } }""";
        var (code, output, _) = await RunUnder(
            Rule, $"cases: [ {{ name: a, image: image, repository: stage/app, expect: {{ outcome: {outcome}, codes: {codes} }} }} ]");

        Assert.True(code == 0, output);
    }

    private static byte[] TarGzip()
    {
        using var bytes = new MemoryStream();
        using (var packed = new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
        using (var tar = new TarWriter(packed))
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "file") { DataStream = new MemoryStream("text"u8.ToArray()) });
        return bytes.ToArray();
    }

    [Theory]
    [InlineData("2026-03-04", "allow", "[]")]
    [InlineData("2026-03-02", "deny", "[LIMIT_MIN_AGE]")]
    public async Task Age_of_a_signature_comes_from_its_log_not_from_first_seen(string now, string outcome, string codes)
    {
        using var log = new TestLog();
        var digest = Image("v1", "one");
        var signature = LegacySignature.Of(digest, _key, (log, new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero)));
        Blob(signature.Payload);
        Blob(signature.Config);
        Add(signature.Tag, Encoding.UTF8.GetString(signature.Manifest));
        Save();

        const string Rule = "{ id: aged, require: { signatures: [ { authority: release } ], limits: { minAge: 3d, ageFrom: attested } } }";
        var root = _rig.Write("root.json", log.RootJson);
        var (code, output, _) = await RunUnder(
            Rule, $"cases: [ {{ name: a, image: image, reference: v1, repository: prod/app, firstSeen: 2026-01-01, now: {now}, "
            + $"expect: {{ outcome: {outcome}, codes: {codes} }} }} ]", trust: $"keyless: {{ l: {{ trustedRoot: {root} }} }}");

        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task Single_manifest_file_can_be_evaluated()
    {
        Image("v1", "one");
        File.WriteAllBytes(Path.Combine(_rig.Folder, "manifest.json"), _entries[0].Bytes);

        Assert.Equal(0, (await Run(
            "cases: [ { name: a, image: manifest.json, repository: prod/app, expect: { outcome: deny, codes: [SIG_NONE] } } ]")).Code);
    }

    [Theory]
    [InlineData(
        "cases: [ { name: a, image: absent, repository: prod/app, expect: { outcome: allow } } ]",
        "cases[0].image: expected an existing folder or file")]
    [InlineData("cases: [ { name: a, image: image, repository: prod/app, expect: { outcom: allow } } ]", "did you mean outcome?")]
    [InlineData("cases: [ { name: a, image: image, repository: Prod, expect: { outcome: allow } } ]", "expected a repository's name")]
    [InlineData("casse: []", "did you mean cases?")]
    [InlineData("a: [", "the bracket [ that opens here is not closed")]
    public async Task Mistake_in_the_cases_is_reported_with_its_place(string cases, string expected)
    {
        var (code, output, error) = await Run(cases);

        Assert.Equal((4, ""), (code, output));
        Assert.Contains(expected, error);
    }

    [Fact]
    public async Task Missing_reference_and_mismatched_content_are_errors()
    {
        var digest = Image("v1", "one");
        Save();
        const string Cases = "cases: [ { name: a, image: image, reference: v9, repository: prod/app, expect: { outcome: deny } } ]";
        Assert.Equal(4, (await Run(Cases)).Code);

        File.AppendAllText(Path.Combine(_layout, "blobs", "sha256", digest.Hex.ToString()), " ");
        var (code, output, _) = await Run(Cases.Replace("v9", "v1", StringComparison.Ordinal));

        Assert.Equal(4, code);
        Assert.Contains("expected content with the digest in its name", output);
    }

    [Fact]
    public async Task Results_are_printed_as_JSON_with_the_option()
    {
        Image("v1", "one");
        Save();

        var (code, output, _) = await Run(
            "cases: [ { name: a, image: image, repository: prod/app, expect: { outcome: allow } } ]", "", "--json");

        using var results = JsonDocument.Parse(output);
        Assert.Equal(1, code);
        Assert.False(results.RootElement[0].GetProperty("passed").GetBoolean());
        Assert.Equal("SIG_NONE", results.RootElement[0].GetProperty("codes")[0].GetString());
    }

    private Task<(int Code, string Output, string Error)> Run(string cases, string key = "", params string[] more) =>
        RunUnder(
            """{ id: signed, match: { repos: ["prod/**"] }, require: { signatures: [ { authority: release } ] } }""", cases, key, more);

    private Task<(int Code, string Output, string Error)> RunUnder(
        string rule, string cases, string key = "", string[]? more = null, string trust = "")
    {
        var pem = _key.ExportSubjectPublicKeyInfoPem().Replace("\n", "\\n", StringComparison.Ordinal);
        var config = _rig.Write("gateway.yaml", $$"""
            policy:
              default: allow
              trust:
                keys: { k: { pem: "{{pem}}"{{(key.Length > 0 ? ", " + key : "")}} } }
                authorities: { release: { anyOf: [ { key: k } ] } }
                {{trust}}
              rules: [ {{rule}} ]
            """);
        return PolicyRig.Run(["test", _rig.Write("cases.yaml", cases), "--config", config, .. more ?? []]);
    }

    private Digest Image(string tag, string text, byte[]? layer = null)
    {
        var layers = layer is null ? "" : $$"""{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",{{Blob(layer)}}}""";
        var config = Blob(Encoding.UTF8.GetBytes($$"""{"os":"linux","architecture":"amd64","author":"{{text}}"}"""));
        return Add(tag, $$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{"mediaType":"{{MediaTypes.OciConfig}}",{{config}}},"layers":[{{layers}}]}
            """.Trim());
    }

    private void Sign(Digest digest, string? tag = null, Digest? subject = null)
    {
        var payload = Encoding.UTF8.GetBytes(
            $$"""{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"{{digest}}"},"type":"{{EvidenceTypes.SimpleSigningClaim}}"},"optional":null}""");
        var signature = Convert.ToBase64String(_key.SignData(payload, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        var about = subject is { } s ? $$""","subject":{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{s}}","size":1}""" : "";
        var layer = $$$"""
            {"mediaType":"{{{EvidenceTypes.SimpleSigning}}}",{{{Blob(payload)}}},"annotations":{"dev.cosignproject.cosign/signature":"{{{signature}}}"}}
            """.Trim();
        var config = $$"""{"mediaType":"{{MediaTypes.OciConfig}}",{{Blob("{}"u8.ToArray())}}}""";
        Add(tag, $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{{config}},"layers":[{{layer}}]{{about}}}""");
    }

    private Digest Add(string? tag, string manifest)
    {
        var bytes = Encoding.UTF8.GetBytes(manifest);
        Blob(bytes);
        _entries.Add((tag ?? "", MediaTypes.OciManifest, bytes));
        return Digest.Of(bytes);
    }

    private string Blob(byte[] bytes)
    {
        File.WriteAllBytes(Path.Combine(_layout, "blobs", "sha256", Digest.Of(bytes).Hex.ToString()), bytes);
        return $"\"digest\":\"{Digest.Of(bytes)}\",\"size\":{bytes.Length}";
    }

    private void Save() => File.WriteAllText(Path.Combine(_layout, "index.json"), $$"""
        {"schemaVersion":2,"manifests":[{{string.Join(",", _entries.Select(static one => Entry(one.Tag, one.Type, one.Bytes)))}}]}
        """);

    private static string Entry(string tag, string type, byte[] bytes)
    {
        var name = tag.Length == 0 ? "" : $$""","annotations":{"org.opencontainers.image.ref.name":"{{tag}}"}""";
        return $$"""{"mediaType":"{{type}}","digest":"{{Digest.Of(bytes)}}","size":{{bytes.Length}}{{name}}}""";
    }
}
