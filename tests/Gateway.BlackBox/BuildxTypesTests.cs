using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Pushes of the real buildx, with attestations in both forms and a cache, under the lists of artifact types in docs/policy.md.
/// </summary>
public sealed partial class BuildxTypesTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private readonly DeadEnd _internet = new();
    private Dockerd _docker = null!;

    public async ValueTask InitializeAsync() => _docker = await Dockerd.StartAsync(_client, "{}", containerdStore: true, _internet.Url);

    [Fact]
    public async Task Build_with_attestations_and_a_cache_is_accepted_by_every_list_of_the_page_but_not_by_Quays()
    {
        string[] offered = [.. Blocks().Matches(await File.ReadAllTextAsync(Path.Combine(RigFolder.Repository, "docs/policy.md")))
            .Select(static block => block.Groups[1].Value)
            .Where(static text => text.Contains("artifactTypes", StringComparison.Ordinal))
            .Where(static text => !text.Contains("rules:", StringComparison.Ordinal))];
        Assert.Equal(3, offered.Length);

        foreach (var list in offered)
        {
            await using var gateway = await GatewayProcess.StartAsync(list);
            foreach (var form in (string[])["true", "false"])
            {
                (await BuildAsync(gateway, form)).Succeeded();
                await AssertAttestedAsync(gateway, $"{gateway.Host}/team/app:{form}", isArtifact: form == "true");
            }
        }

        await using var quay = await GatewayProcess.StartAsync("policy: { default: allow, artifactTypes: { semantics: quay-union } }");
        var refused = (await BuildAsync(quay, "true")).Failed();
        Assert.Contains("application/vnd.oci.empty.v1+json is not allowed", refused.Text, StringComparison.Ordinal);
    }

    private async Task<Output> BuildAsync(GatewayProcess gateway, string artifact)
    {
        _client.Folder.Write("context/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
        _client.Folder.Write("context/hello", $"hello {artifact}");
        return await _docker.BuildAsync(
            "--provenance=mode=max", "--output",
            $"type=image,name={gateway.Host}/team/app:{artifact},push=true,oci-mediatypes=true,oci-artifact={artifact}",
            "--cache-to", $"type=registry,ref={gateway.Host}/team/cache:{artifact},mode=max", _client.Folder["context"]);
    }

    private async Task AssertAttestedAsync(GatewayProcess gateway, string image, bool isArtifact)
    {
        var index = JsonNode.Parse((await _client.CraneAsync("manifest", "--insecure", image)).Succeeded().Stdout)!;
        var attestation = index["manifests"]!.AsArray().Single(static m => m!["annotations"]?["vnd.docker.reference.type"] is not null)!;
        var manifest = JsonNode.Parse((await _client.CraneAsync(
            "manifest", "--insecure", $"{gateway.Host}/team/app@{attestation["digest"]}")).Succeeded().Stdout)!;
        var type = isArtifact ? "application/vnd.docker.attestation.manifest.v1+json" : null;
        Assert.Equal(type, manifest["artifactType"]?.GetValue<string>());
        Assert.Equal(isArtifact, manifest["subject"] is not null);
        Assert.Equal("application/vnd.in-toto+json", manifest["layers"]![0]!["mediaType"]!.GetValue<string>());
        var cache = image.Replace("team/app", "team/cache", StringComparison.Ordinal);
        Assert.Contains(
            "application/vnd.buildkit.cacheconfig.v0", (await _client.CraneAsync("manifest", "--insecure", cache)).Succeeded().Stdout,
            StringComparison.Ordinal);
    }

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Blocks();

    public async ValueTask DisposeAsync()
    {
        await _docker.DisposeAsync();
        _internet.Dispose();
        _client.Dispose();
    }
}
