using System.Collections.Immutable;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>What rules require, asked of a running gateway: the facts are those that it finds itself.</summary>
public sealed class PolicyRulesHttpTests : IAsyncLifetime
{
    private const string Source = "org.opencontainers.image.source";
    private const string Linux = """{"os":"linux","architecture":"amd64"}""";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly TestLog _log = new();
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync(options => options with
    {
        Policy = new()
        {
            Default = Outcome.Allow,
            Trust = new()
            {
                Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                    "release", new(VerificationKey.Parse(_key.ExportSubjectPublicKeyInfoPem()).Key!)),
                Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
                    "release", new("release") { AnyOf = ["release"] }),
                Keyless = ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("public", new(_log.Root)),
            },
            Rules =
            [
                Rule("source", "annotated/**", new() { Annotations = Asked(Source, "https://github.com/acme/*") }),
                Rule("label", "labelled/**", new()
                {
                    Annotations = Asked(Source, "https://github.com/acme/*"), AnnotationsFromManifest = false, AnnotationsFromLabels = true,
                }),
                Rule("label-of-tag", "tagged/**", new()
                {
                    Annotations = Asked(Source, "https://github.com/acme/*"), AnnotationsFromLabels = true,
                }) with { IncludeTags = ["v*"] },
                Rule("few", "few/**", new() { Limits = new() { MaxLayers = 1 } }),
                Rule("old", "old/**", new() { Limits = new() { MinAge = TimeSpan.FromDays(1) } }),
                Rule("aged", "aged/**", new()
                {
                    Signatures = [new("release")], Limits = new() { MinAge = TimeSpan.FromDays(1), AgeFrom = AgeStart.Attested },
                }) with { OnMissing = OnMissing.Quarantine },
                Rule("linux", "linux/**", new() { Platforms = new() { OnlyOs = ["linux"] } }),
                Rule("release", "release/**", new() { TagMutability = TagMutability.Immutable }),
            ],
            Exceptions =
            [
                new()
                {
                    Id = "ex-1", Rule = "few", Repositories = ["few/legacy"], Until = DateTimeOffset.UtcNow.AddDays(1), By = "alice",
                    Reason = "INC-1",
                },
            ],
        },
    });

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        _key.Dispose();
        _log.Dispose();
    }

    private static RuleOptions Rule(string id, string repositories, RequireOptions require) =>
        new() { Id = id, Repositories = [repositories], Require = require };

    private static ImmutableSortedDictionary<string, TextCondition> Asked(string key, string glob) =>
        ImmutableSortedDictionary<string, TextCondition>.Empty.Add(key, new(TextComparison.Glob, glob));

    private async Task<(HttpStatusCode Status, string Body)> PushAsync(
        string repository, string tag, int layers = 1, string annotations = "", string config = Linux)
    {
        await _rig.PushBlobAsync(repository, Encoding.UTF8.GetBytes(config));
        await _rig.PushBlobAsync(repository, "layer"u8.ToArray());
        using var answer = await _rig.PutManifestAsync(repository, tag, ManifestOf(layers, annotations, config));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static byte[] ManifestOf(int layers, string annotations, string config)
    {
        var layer = $$"""{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{{Digest.Of("layer"u8)}}","size":5}""";
        var bytes = Encoding.UTF8.GetBytes(config);
        return Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","annotations":{{{annotations}} },
            "config":{"mediaType":"{{MediaTypes.OciConfig}}","digest":"{{Digest.Of(bytes)}}","size":{{bytes.Length}}},
            "layers":[{{string.Join(',', Enumerable.Repeat(layer, layers))}}]}
            """);
    }

    // What PushAsync pushes unless it is told otherwise.
    private static Digest Pushed() => Digest.Of(ManifestOf(1, "", Linux));

    private static void Refused((HttpStatusCode Status, string Body) answer, string why)
    {
        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
        Assert.Contains("\"DENIED\"", answer.Body, StringComparison.Ordinal);
        Assert.Contains(why, answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Annotation_requirement_reads_the_manifest()
    {
        Refused(await PushAsync("annotated/app", "v1"), "is missing");
        Assert.Equal(
            HttpStatusCode.Created,
            (await PushAsync("annotated/app", "v1", annotations: $"\"{Source}\":\"https://github.com/acme/x\"")).Status);
    }

    [Fact]
    public async Task Label_is_read_from_the_config_that_was_pushed()
    {
        Refused(await PushAsync("labelled/app", "v1"), "is missing");
        var config = $$"""{"os":"linux","config":{"Labels":{"{{Source}}":"https://github.com/acme/x"} } }""";
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("labelled/app", "v1", config: config)).Status);
    }

    [Fact]
    public async Task Index_pushed_by_hand_does_not_hide_the_wrong_label_of_an_image()
    {
        var config = $$"""{"os":"linux","config":{"Labels":{"{{Source}}":"https://evil.example/x"} } }""";
        var image = ManifestOf(1, "", config);
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("tagged/app", Digest.Of(image).ToString(), config: config)).Status);
        Refused(await PushAsync("tagged/app", "v1", config: config), "evil.example");
        var index = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","annotations":{"{{Source}}":"https://github.com/acme/x"},
            "manifests":[{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{Digest.Of(image)}}","size":{{image.Length}}}]}
            """);
        using var answer = await _rig.PutManifestAsync("tagged/app", "v1", index, MediaTypes.OciIndex);
        Refused((answer.StatusCode, await answer.Content.ReadAsStringAsync()), "evil.example");
    }

    [Fact]
    public async Task Size_is_bounded_and_an_exception_lifts_the_bound()
    {
        Refused(await PushAsync("few/app", "v1", layers: 2), "expected at most 1 layers, got 2");
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("few/app", "v1")).Status);
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("few/legacy", "v1", layers: 2)).Status);
    }

    [Fact]
    public async Task Platform_is_what_the_config_says()
    {
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("linux/app", "v1")).Status);
        Refused(await PushAsync("linux/app", "v2", config: """{"os":"windows","architecture":"amd64"}"""), "'windows'");
        Refused(await PushAsync("linux/app", "v3", config: """{"os":"linux","OS":"windows"}"""), "unknown");
    }

    [Fact]
    public async Task Immutable_tag_stays()
    {
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("release/app", "v1")).Status);
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("release/app", "v1")).Status);
        Refused(await PushAsync("release/app", "v1", layers: 2), "is immutable");
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("release/app", "v2", layers: 2)).Status);
    }

    [Fact]
    public async Task Tags_of_a_push_by_digest_are_bound_all_or_none()
    {
        await PushAsync("release/app", "v1", annotations: "\"n\":\"0\"");
        await _rig.PushBlobAsync("release/app", "{}"u8.ToArray());
        var bytes = GatewayRig.ManifestBytes();
        var digest = Digest.Of(bytes);
        using (var refused = await _rig.PutManifestAsync("release/app", $"{digest}?tag=new&tag=v1&tag=newer", bytes))
        {
            Assert.Equal((403, "DENIED"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
            Assert.Null(GatewayRig.Header(refused, "OCI-Tag"));
        }
        using (var tags = await _rig.SendAsync("GET", "/v2/release/app/tags/list"))
            Assert.Contains("[\"v1\"]", await tags.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        var eleven = string.Join('&', Enumerable.Range(0, 11).Select(static i => $"tag=t{i}"));
        using (var many = await _rig.PutManifestAsync("release/app", $"{digest}?{eleven}", bytes)) Assert.Equal(414, (int)many.StatusCode);
        using (var byTag = await _rig.PutManifestAsync("release/app", "v2?tag=v3", bytes))
            Assert.Equal((400, "UNSUPPORTED"), ((int)byTag.StatusCode, await GatewayRig.ErrorCodeAsync(byTag)));
        using var bound = await _rig.PutManifestAsync("release/app", $"{digest}?tag=new&tag=newer", bytes);
        Assert.Equal((201, "new|newer"), ((int)bound.StatusCode, GatewayRig.Header(bound, "OCI-Tag")));
    }

    [Fact]
    public async Task Young_image_is_accepted_and_held()
    {
        Assert.Equal(HttpStatusCode.Created, (await PushAsync("old/app", "v1")).Status);
        using var answer = await _rig.SendAsync("GET", "/v2/old/app/manifests/v1");
        Refused((answer.StatusCode, await answer.Content.ReadAsStringAsync()), "it is younger than 1 day");
    }

    private async Task SignAsync(string repository, Digest digest, DateTimeOffset? at)
    {
        var signature = LegacySignature.Of(digest, _key, at is { } logged ? (_log, logged) : null);
        await _rig.PushBlobAsync(repository, signature.Config);
        await _rig.PushBlobAsync(repository, signature.Payload);
        using var answer = await _rig.PutManifestAsync(repository, signature.Tag, signature.Manifest);
        answer.EnsureSuccessStatusCode();
    }

    [Fact]
    public async Task Image_is_as_old_as_the_log_says_of_its_signature_and_the_decision_says_by_what()
    {
        var now = DateTimeOffset.UtcNow;
        var (old, young, undated) = (("aged/old", now.AddDays(-2)), ("aged/young", now.AddHours(-2)), "aged/undated");
        async Task<(HttpResponseMessage Answer, string Body)> GetAsync(string repository, DateTimeOffset? at)
        {
            Assert.Equal(HttpStatusCode.Created, (await PushAsync(repository, "v1")).Status);
            using (var waiting = await _rig.SendAsync("GET", $"/v2/{repository}/manifests/v1")) Assert.Equal(403, (int)waiting.StatusCode);
            await SignAsync(repository, Pushed(), at);
            var answer = await _rig.SendAsync("GET", $"/v2/{repository}/manifests/v1");
            return (answer, await answer.Content.ReadAsStringAsync());
        }

        using (var served = (await GetAsync(old.Item1, old.Item2)).Answer) Assert.Equal(200, (int)served.StatusCode);
        var unknown = await GetAsync(undated, null);
        Refused((unknown.Answer.StatusCode, unknown.Body), "neither a log entry nor a time stamp proves when it was made");
        unknown.Answer.Dispose();
        var refused = await GetAsync(young.Item1, young.Item2);
        Refused((refused.Answer.StatusCode, refused.Body), "it is younger than 1 day; wait until");
        var id = GatewayRig.Header(refused.Answer, "Gateway-Decision");
        var decision = await _rig.Client.GetFromJsonAsync<JsonElement>($"/-/decisions/{id}");
        refused.Answer.Dispose();
        Assert.Equal("LIMIT_MIN_AGE", decision.GetProperty("reasons")[0].GetProperty("code").GetString());
        var rule = decision.GetProperty("rules").EnumerateArray().Single(static one => one.GetProperty("id").GetString() == "aged");
        var (age, seen) = (rule.GetProperty("ages")[0], decision.GetProperty("evidence")[0]);
        Assert.Equal((Pushed().ToString(), "log entry"), (age.GetProperty("manifest").GetString(), age.GetProperty("by").GetString()));
        Assert.Equal(seen.GetProperty("digest").GetString(), age.GetProperty("evidence").GetString());
        Assert.Equal(young.Item2.ToUnixTimeSeconds(), age.GetProperty("signedAt").GetDateTimeOffset().ToUnixTimeSeconds());
    }

    [Fact]
    public async Task Tag_of_a_signature_is_for_signatures() =>
        Refused(await PushAsync("free/app", $"sha256-{new string('a', 64)}.sig"), "is reserved for evidence, got kind image");
}
