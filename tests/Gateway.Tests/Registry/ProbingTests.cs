using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Registry;
using Gateway.Tests.Access;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>What a client says of itself opens nothing, and what it is told says nothing of what it may not see.</summary>
public sealed class ProbingTests
{
    private static readonly PolicyOptions Held = new()
    {
        Default = Outcome.Allow,
        Trust = new()
        {
            Keys = TrustKeys(),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
                "release", new("release") { AnyOf = ["release"] }),
        },
        Rules = [new() { Id = "held", Require = new() { Signatures = [new("release")] }, OnMissing = OnMissing.Quarantine }],
    };

    private static ImmutableSortedDictionary<string, KeyOptions> TrustKeys()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
            "release", new(VerificationKey.FromSpki(key.ExportSubjectPublicKeyInfo()).Key!));
    }

    [Theory]
    [InlineData("User-Agent", "cosign/v3.0.1 (linux; amd64)")]
    [InlineData("User-Agent", "notation/1.3")]
    [InlineData("X-Forwarded-User", "ci")]
    [InlineData("X-Remote-User", "ci")]
    [InlineData("Forwarded", "for=127.0.0.1;by=ci")]
    [InlineData("Docker-Distribution-Api-Version", "registry/2.0")]
    public async Task Headers_that_claim_an_identity_do_not_reveal_held_content(string header, string value)
    {
        await using var rig = await GatewayRig.StartAsync(static options => options with { Policy = Held });
        var digest = await rig.PushManifestAsync("held/app", "v1");

        foreach (var path in new[] { "/v2/held/app/manifests/v1", $"/v2/held/app/manifests/{digest}" })
        {
            using var answer = await rig.SendAsync("GET", path, null, (header, value));
            Assert.Equal((403, "DENIED"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        }
    }

    [Fact]
    public async Task Held_and_missing_content_look_the_same_without_rights()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-probing-");
        try
        {
            var accounts = Path.Combine(folder.FullName, "htpasswd");
            await File.WriteAllTextAsync(accounts, $"{AccessRig.Line("ci", "pw")}\n{AccessRig.Line("node", "pw")}\n");
            await using var rig = await GatewayRig.StartAsync(options => options with
            {
                Policy = Held,
                Access = new() { Htpasswd = accounts, Rules = [new(["ci"], ["secret/**"], AccessActions.All)] },
            });
            var push = ("Authorization", AccessRig.Basic("ci", "pw"));
            var bytes = GatewayRig.ManifestBytes();
            using (await rig.SendAsync(
                "POST", $"/v2/secret/app/blobs/uploads/?digest={Digest.Of("{}"u8)}", new ByteArrayContent("{}"u8.ToArray()), push)) { }
            using var put = await rig.SendAsync("PUT", "/v2/secret/app/manifests/v1", Manifest(bytes), push);
            Assert.Equal((201, "pending"), ((int)put.StatusCode, GatewayRig.Header(put, "Gateway-Tag-State")));

            foreach (var who in new[] { null, AccessRig.Basic("node", "pw") })
            {
                var waiting = await AskAsync(rig, "secret/app", who);
                Assert.Equal(waiting, await AskAsync(rig, "secret/not", who));
                Assert.All(waiting, answer => Assert.StartsWith(who is null ? "401" : "404", answer, StringComparison.Ordinal));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static ByteArrayContent Manifest(byte[] bytes) => new(bytes) { Headers = { ContentType = new(MediaTypes.OciManifest) } };

    /// <summary>Every answer about a repository, without its name.</summary>
    private static async Task<List<string>> AskAsync(GatewayRig rig, string repository, string? authorization)
    {
        var answers = new List<string>();
        var digest = Digest.Of(GatewayRig.ManifestBytes());
        string[] paths = ["manifests/v1", $"manifests/{digest}", $"blobs/{Digest.Of("{}"u8)}", "tags/list", $"referrers/{digest}"];
        foreach (var path in paths)
        {
            foreach (var method in new[] { "GET", "HEAD" })
            {
                (string, string)[] headers = authorization is null ? [] : [("Authorization", authorization)];
                using var answer = await rig.SendAsync(method, $"/v2/{repository}/{path}", null, headers);
                var names = string.Join(',', answer.Headers.Select(static h => h.Key).Order(StringComparer.Ordinal));
                var body = (await answer.Content.ReadAsStringAsync()).Replace(repository, "REPOSITORY", StringComparison.Ordinal);
                answers.Add($"{(int)answer.StatusCode} {method} {path} {names} {body}");
            }
        }
        return answers;
    }

    [Fact]
    public void Warnings_of_one_answer_stay_below_what_clients_take_and_on_one_line()
    {
        IHeaderDictionary headers = new HeaderDictionary();
        for (var i = 0; i < 200; i++) Warnings.Add(headers, new string('w', 1000) + "\r\nX: y\u001b[2J\"\\");

        Assert.InRange(headers.Warning.Sum(static warning => warning!.Length), 1, 1100);
        Assert.All(headers.Warning, static warning => Assert.All(warning!, static c => Assert.InRange(c, ' ', '~')));
        Assert.All(headers.Warning, static warning => Assert.Equal(2, warning!.Count(static c => c == '"')));
    }
}
