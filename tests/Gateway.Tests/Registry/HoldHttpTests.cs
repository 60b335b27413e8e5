using System.Collections.Immutable;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>A push that is held until it is signed, and a promotion, as clients see them.</summary>
public sealed class HoldHttpTests : IAsyncLifetime
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync(options => options with { Policy = Policy() });

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        _key.Dispose();
    }

    private PolicyOptions Policy() => new()
    {
        Default = Outcome.Allow,
        Trust = new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "release", new(VerificationKey.Parse(_key.ExportSubjectPublicKeyInfoPem()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["release"] }),
        },
        Rules =
        [
            new()
                {
                    Id = "held", Repositories = ["held/**"], Require = new() { Signatures = [new("release")] },
                    OnMissing = OnMissing.Quarantine,
                },
            new()
            {
                Id = "promoted", Repositories = ["prod/**"], Require = new() { Signatures = [new("release")] },
                Stages = [Stage.Promote, Stage.Pull],
            },
        ],
    };

    private async Task<(Digest Digest, HttpResponseMessage Answer)> PushAsync(string repository, string tag)
    {
        await _rig.PushBlobAsync(repository, "{}"u8.ToArray());
        return (Digest.Of(GatewayRig.ManifestBytes()), await _rig.PutManifestAsync(repository, tag, GatewayRig.ManifestBytes()));
    }

    private async Task<HttpResponseMessage> SignAsync(string repository, Digest digest)
    {
        var payload = Encoding.UTF8.GetBytes(
            $$"""{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"{{digest}}"},"type":"{{EvidenceTypes.SimpleSigningClaim}}"},"optional":null}""");
        var signature = Convert.ToBase64String(_key.SignData(payload, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        await _rig.PushBlobAsync(repository, payload);
        await _rig.PushBlobAsync(repository, "{ }"u8.ToArray());
        var config = $$"""{"mediaType":"{{MediaTypes.OciConfig}}","digest":"{{Digest.Of("{ }"u8)}}","size":3}""";
        var annotations = $$"""{"dev.cosignproject.cosign/signature":"{{signature}}"}""";
        var layer = $$"""{"mediaType":"{{EvidenceTypes.SimpleSigning}}","digest":"{{Digest.Of(payload)}}","size":{{payload.Length}},"annotations":{{annotations}}}""";
        return await _rig.PutManifestAsync(repository, $"sha256-{digest.Hex}.sig", Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{{config}},"layers":[{{layer}}]}"""));
    }

    [Fact]
    public async Task Held_push_returns_201_pending_and_its_signature_names_the_released_tag()
    {
        var (digest, pushed) = await PushAsync("held/app", "v1");
        Assert.Equal((201, "pending"), ((int)pushed.StatusCode, GatewayRig.Header(pushed, "Gateway-Tag-State")));
        Assert.StartsWith("299 - \"quarantined: tag v1 not moved", GatewayRig.Header(pushed, "Warning"), StringComparison.Ordinal);
        foreach (var method in new[] { "GET", "HEAD" })
        {
            using var hidden = await _rig.SendAsync(method, "/v2/held/app/manifests/v1");
            Assert.Equal((403, true), ((int)hidden.StatusCode, GatewayRig.Header(hidden, "Gateway-Decision") is not null));
            Assert.Null(GatewayRig.Header(hidden, "WWW-Authenticate"));
        }

        using var signed = await SignAsync("held/app", digest);
        Assert.Equal((201, "v1"), ((int)signed.StatusCode, GatewayRig.Header(signed, "Gateway-Promoted")));
        using var shown = await _rig.SendAsync("GET", "/v2/held/app/manifests/v1");
        Assert.Equal((200, "live"), ((int)shown.StatusCode, GatewayRig.Header(shown, "Gateway-Tag-State")));
        Assert.Equal(digest.ToString(), GatewayRig.Header(shown, "Docker-Content-Digest"));
    }

    [Fact]
    public async Task A_question_about_the_policy_is_answered_without_deciding_anything()
    {
        var (digest, _) = await PushAsync("held/app", "v1");
        async Task<JsonElement> AskAsync(int status, string body)
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var answer = await _rig.Client.PostAsync(new Uri("/-/policy/evaluate", UriKind.Relative), content);
            Assert.Equal(status, (int)answer.StatusCode);
            return (await answer.Content.ReadFromJsonAsync<JsonElement>()).Clone();
        }

        var held = await AskAsync(200, """{"reference":"held/app:v1"}""");
        Assert.Equal(("pending", "quarantine"), (held.GetProperty("state").GetString(), held.GetProperty("effective").GetString()));
        var reasons = held.GetProperty("rules").EnumerateArray().SelectMany(rule => rule.GetProperty("reasons").EnumerateArray());
        Assert.Contains("SIG_NONE", reasons.Select(reason => reason.GetProperty("code").GetString()));
        using (await SignAsync("held/app", digest)) Assert.Equal("allow", await EffectiveAsync($"held/app@{digest}"));
        await AskAsync(404, """{"reference":"held/app:v2"}""");
        await AskAsync(400, """{"reference":"held/app:v1","stage":"lunch"}""");
        await AskAsync(400, """{"reference":"held/app:v1","policy":{}}""");

        async Task<string?> EffectiveAsync(string reference) =>
            (await AskAsync(200, $$"""{"reference":"{{reference}}"}""")).GetProperty("effective").GetString();
    }

    [Fact]
    public async Task Decision_contains_request_findings_and_remedy()
    {
        var (digest, pushed) = await PushAsync("held/app", "v1");
        var decision = await _rig.Client.GetFromJsonAsync<JsonElement>($"/-/decisions/{GatewayRig.Header(pushed, "Gateway-Decision")}");
        Assert.Equal(
            ("held/app", "v1", digest.ToString(), "quarantine"),
            (decision.GetProperty("repository").GetString(), decision.GetProperty("reference").GetString(),
                decision.GetProperty("digest").GetString(), decision.GetProperty("effective").GetString()));
        Assert.Equal("SIG_NONE", decision.GetProperty("reasons")[0].GetProperty("code").GetString());
        var rule = decision.GetProperty("rules").EnumerateArray().Single(r => r.GetProperty("id").GetString() == "held");
        Assert.Contains("cosign sign", rule.GetProperty("fix").GetString(), StringComparison.Ordinal);
        var revisions = new[] { "policyRevision", "trustRevision" }.Select(name => decision.GetProperty(name).GetString()).ToArray();
        Assert.All(revisions, static revision => Assert.Matches("^[0-9a-f]{16}$", revision));
        Assert.NotEqual(revisions[0], revisions[1]);
        Assert.InRange(decision.GetProperty("durationMs").GetDouble(), 0.001, 60_000);
        Assert.False(decision.GetProperty("cached").GetBoolean());
    }

    [Fact]
    public async Task Decision_from_a_cached_verdict_says_so()
    {
        await PushAsync("held/app", "v1");
        async Task<bool> IsCachedAsync()
        {
            using var hidden = await _rig.SendAsync("GET", "/v2/held/app/manifests/v1");
            var decision = await _rig.Client.GetFromJsonAsync<JsonElement>($"/-/decisions/{GatewayRig.Header(hidden, "Gateway-Decision")}");
            return decision.GetProperty("cached").GetBoolean();
        }

        Assert.Equal((false, true), (await IsCachedAsync(), await IsCachedAsync()));
    }

    [Fact]
    public async Task Refusal_contains_the_operators_explainUrl()
    {
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Policy = Policy() with { ExplainUrl = "https://wiki.example/why?decision={id}" },
        });
        await rig.PushManifestAsync("held/app", "v1");
        using var hidden = await rig.SendAsync("GET", "/v2/held/app/manifests/v1");
        var id = GatewayRig.Header(hidden, "Gateway-Decision");
        Assert.Contains(
            $"url=https://wiki.example/why?decision={id}\"", await hidden.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Promotion_binds_a_signed_image_and_is_otherwise_refused_like_a_push()
    {
        var (digest, _) = await PushAsync("stage/app", "v1");
        Task<HttpResponseMessage> PromoteAsync(string to) =>
            _rig.SendAsync("POST", "/-/promote", JsonContent.Create(new { from = $"stage/app@{digest}", to }));
        using (var refused = await PromoteAsync("prod/app:v1"))
            Assert.Equal((403, "DENIED"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
        (await SignAsync("stage/app", digest)).Dispose();

        using var promoted = await PromoteAsync("prod/app:v1");
        Assert.Equal((201, "v1"), ((int)promoted.StatusCode, GatewayRig.Header(promoted, "Gateway-Promoted")));
        using var shown = await _rig.SendAsync("GET", "/v2/prod/app/manifests/v1");
        Assert.Equal((200, digest.ToString()), ((int)shown.StatusCode, GatewayRig.Header(shown, "Docker-Content-Digest")));
        using var plain = (await PushAsync("prod/app", "v2")).Answer;
        Assert.Equal(403, (int)plain.StatusCode);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"from":"stage/app:v1","to":"prod/app"}""")]
    [InlineData("""{"from":"stage/app:v1","to":"prod/app@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}""")]
    [InlineData("""{"from":"../app:v1","to":"prod/app:v1"}""")]
    [InlineData("""{"from":"stage/app:v1","to":"prod/app:v1","force":true}""")]
    [InlineData("""{"from":"stage/app:v1","from":"stage/app:v2","to":"prod/app:v1"}""")]
    public async Task Malformed_promotion_returns_400(string body)
    {
        using var answer = await _rig.SendAsync("POST", "/-/promote", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(400, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Promotion_of_a_missing_image_returns_404()
    {
        using var answer = await _rig.SendAsync(
            "POST", "/-/promote", JsonContent.Create(new { from = "stage/app:v1", to = "prod/app:v1" }));
        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains("repository stage/app has no manifest v1", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chunk_longer_than_its_Content_Range_is_refused()
    {
        using var opened = await _rig.SendAsync("POST", "/v2/dev/app/blobs/uploads/");
        var session = opened.Headers.Location!.ToString();
        // Without a length, so that only its end tells.
        var chunk = new StreamContent(new Unsized("0123456789"u8.ToArray()));
        using var answer = await _rig.SendAsync("PATCH", session, chunk, ("Content-Range", "0-4"));
        Assert.Equal((400, "SIZE_INVALID"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        using var status = await _rig.SendAsync("GET", session);
        Assert.Equal("0-4", GatewayRig.Header(status, "Range"));
    }

    private sealed class Unsized(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
