using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Kinds;

/// <summary>
/// Upstream content with media types of evidence: the gateway fetches and checks its bytes before it serves it without a signature.
/// </summary>
public sealed class UpstreamCostumeTests
{
    [Fact]
    public async Task Image_of_an_upstream_with_media_types_of_evidence_needs_a_signature_and_evidence_does_not()
    {
        using var client = new Client();
        (await client.RunAsync("cosign2", "generate-key-pair")).Succeeded();
        await using var upstream = await DockerRegistry.StartAsync();
        await using var gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "http://{{upstream.Host}}" } }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{client.Folder["cosign.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules: [{ id: signed, match: { repos: ["corp/**"] }, require: { signatures: [{ authority: release }] } }]
            """);
        using var raw = new RawClient(upstream.Host);
        var corpus = new CostumeCorpus(seed: 2);
        var evidence = 0;

        foreach (var manifest in corpus.Known().Where(static m => !m.Description.StartsWith("a chart", StringComparison.Ordinal)))
        {
            foreach (var blob in manifest.Blobs) (await raw.PushBlobAsync("app", blob)).Dispose();
            using (var pushed = await raw.PushManifestAsync("app", manifest.Tag, manifest.Bytes, manifest.MediaType))
                await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
            using var asked = new RawClient(gateway.Host);
            // Under a tag that is not one of evidence, clients take it for what the tag means.
            using var tagged = await asked.GetAsync($"/v2/corp/app/manifests/{manifest.Tag}", ("Accept", manifest.MediaType));
            Assert.Equal(HttpStatusCode.Forbidden, tagged.StatusCode);
            var path = $"/v2/corp/app/manifests/{Described.Sha256(manifest.Bytes)}";
            using var answer = await asked.GetAsync(path, ("Accept", manifest.MediaType));
            var isEvidence = manifest.Description.StartsWith("cosign", StringComparison.Ordinal)
                || manifest.Description.StartsWith("BuildKit", StringComparison.Ordinal);
            evidence += isEvidence ? 1 : 0;
            Assert.True(
                answer.StatusCode == (isEvidence ? HttpStatusCode.OK : HttpStatusCode.Forbidden),
                $"{manifest.Description}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}\n{gateway.Log}");
        }
        Assert.Equal(3, evidence);
    }
}
