using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Tests.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

/// <summary><c>explain</c> and <c>diff</c>, of a gateway that runs and of its store when it does not.</summary>
public sealed class PolicyAskingTests : IDisposable
{
    private const string Deny = "policy: { default: allow, rules: [ { id: small, require: { limits: { maxLayerBytes: 1 } }, fix: make it smaller } ] }";
    private const string Warn = "policy: { default: allow, rules: [ { id: small, require: { limits: { maxLayerBytes: 1 } }, mode: warn } ] }";
    private const string Allow = "policy: { default: allow }";

    private readonly PolicyRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Explain_returns_the_outcome_as_exit_code_with_or_without_a_running_gateway(bool isRunning)
    {
        await using var gateway = await StartAsync();
        var config = await ConfigAsync(gateway, isRunning);

        foreach (var (policy, expected) in new[] { (Deny, 1), (Warn, 2), (Allow, 0) })
        {
            var (code, output, error) = await PolicyRig.Run(
                "explain", "team/app:v1", "--policy", _rig.Write("new.yaml", policy), "--config", config);
            Assert.Equal((expected, ""), (code, error));
            Assert.Contains("reference   team/app v1", output);
            Assert.Equal(expected > 0, output.Contains("LIMIT_LAYER_BYTES: policy rule 'small'", StringComparison.Ordinal));
        }
        Assert.Equal(0, (await PolicyRig.Run("explain", "team/app:v1", "--config", config)).Code);
        Assert.Equal(4, (await PolicyRig.Run("explain", "team/app:v2", "--config", config)).Code);
        Assert.Equal(4, (await PolicyRig.Run("explain", "team/app:v1", "--at", "tomorrow", "--config", config)).Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Diff_returns_an_exit_code_for_new_refusals(bool isRunning)
    {
        await using var gateway = await StartAsync();
        var config = await ConfigAsync(gateway, isRunning);
        var (deny, warn, allow) = (_rig.Write("deny.yaml", Deny), _rig.Write("warn.yaml", Warn), _rig.Write("allow.yaml", Allow));

        var worse = await PolicyRig.Run("diff", allow, deny, "--corpus", "store", "--config", config);

        Assert.Equal((1, ""), (worse.Code, worse.Error));
        Assert.StartsWith("team/app:v1  allow -> deny  sha256:", worse.Output, StringComparison.Ordinal);
        Assert.Contains("make it smaller", worse.Output);
        Assert.Equal(2, (await PolicyRig.Run("diff", deny, allow, "--config", config)).Code);
        Assert.Equal(2, (await PolicyRig.Run("diff", allow, warn, "--config", config)).Code);
        Assert.Equal(
            (0, ""), await PolicyRig.Run("diff", deny, deny, "--config", config) is var (code, output, _) ? (code, output) : default);
    }

    [Fact]
    public async Task Explain_and_diff_print_JSON_with_the_option()
    {
        await using var gateway = await StartAsync();
        var config = await ConfigAsync(gateway, isRunning: true);
        var (deny, allow) = (_rig.Write("deny.yaml", Deny), _rig.Write("allow.yaml", Allow));

        using var answer = JsonDocument.Parse(
            (await PolicyRig.Run("explain", "team/app:v1", "--policy", deny, "--json", "--config", config)).Output);
        using var change = JsonDocument.Parse((await PolicyRig.Run("diff", allow, deny, "--json", "--config", config)).Output);

        Assert.Equal("deny", answer.RootElement.GetProperty("effective").GetString());
        Assert.Equal("small", answer.RootElement.GetProperty("rules").EnumerateArray().Last().GetProperty("id").GetString());
        Assert.Equal("deny", change.RootElement.GetProperty("new").GetString());
    }

    [Fact]
    public async Task Ages_by_evidence_are_explained_with_their_start_and_compared()
    {
        using var log = new TestLog();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await using var gateway = await StartAsync();
        var signed = LegacySignature.Of(
            Digest.Of(GatewayRig.ManifestBytes()), key, (log, new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero)));
        foreach (var blob in new[] { signed.Payload, signed.Config }) await gateway.PushBlobAsync("team/app", blob);
        (await gateway.PutManifestAsync("team/app", signed.Tag, signed.Manifest)).Dispose();
        var config = await ConfigAsync(gateway, isRunning: true);
        string Policy(string from, string name) => _rig.Write($"{name}.yaml", $$"""
            policy:
              default: allow
              trust:
                keys: { k: { pem: "{{key.ExportSubjectPublicKeyInfoPem().Replace("\n", "\\n", StringComparison.Ordinal)}}" } }
                keyless: { l: { trustedRoot: {{_rig.Write("root.json", log.RootJson)}} } }
                authorities: { release: { anyOf: [ { key: k } ] } }
              rules:
                - id: aged
                  require: { signatures: [ { authority: release } ], limits: { minAge: 3d, ageFrom: {{from}} } }
            """);
        var (attested, seen) = (Policy("attested", "attested"), Policy("firstSeen", "seen"));

        var explained = await PolicyRig.Run("explain", "team/app:v1", "--policy", attested, "--config", config);
        var diff = await PolicyRig.Run("diff", seen, attested, "--config", config);
        var young = await PolicyRig.Run("explain", "team/app:v1", "--policy", attested, "--at", "2026-03-03", "--config", config);

        Assert.Equal((0, ""), (explained.Code, explained.Error));
        Assert.Contains(
            $"age of {Digest.Of(GatewayRig.ManifestBytes())} from 2026-03-01T12:00:00Z, by the log entry in {Digest.Of(signed.Manifest)}",
            explained.Output);
        Assert.Equal(2, diff.Code);
        Assert.Contains("team/app:v1  deny -> allow", diff.Output);
        Assert.Equal(1, young.Code);
        Assert.Contains("LIMIT_MIN_AGE: policy rule 'aged': signed 2026-03-01T12:00:00Z by the log entry in sha256:", young.Output);
    }

    [Theory]
    [InlineData("explain", "a:b", "--policy")]
    [InlineData("diff", "absent.yaml")]
    public async Task Unreadable_policy_is_an_error_with_its_place(params string[] arguments)
    {
        var bad = _rig.Write("bad.yaml", "policy: { default: perhaps }");

        var (code, _, error) = await PolicyRig.Run([.. arguments, bad]);

        Assert.Equal(4, code);
        Assert.Contains($"{bad}:1:20: policy.default: expected allow or deny", error);
    }

    [Fact]
    public async Task Missing_gateway_and_store_are_reported()
    {
        var config = _rig.Write("gateway.yaml", $"operator: http://127.0.0.1:1\nstorage: {{ path: {_rig.Folder}/absent }}\n");

        var (code, _, error) = await PolicyRig.Run("explain", "team/app:v1", "--config", config);

        Assert.Equal(4, code);
        Assert.Contains("no gateway answers at http://127.0.0.1:1/", error);
        Assert.False(Directory.Exists(Path.Combine(_rig.Folder, "absent")));
    }

    private static async Task<GatewayRig> StartAsync()
    {
        var gateway = await GatewayRig.StartAsync(options => Yaml.Good("") with
        {
            Listen = options.Listen, Operator = options.Operator, Storage = options.Storage,
        });
        await gateway.PushManifestAsync("team/app", "v1");
        return gateway;
    }

    private async Task<string> ConfigAsync(GatewayRig gateway, bool isRunning)
    {
        var config = _rig.Write("gateway.yaml", $"operator: {gateway.Operator}\nstorage: {{ path: {gateway.Storage} }}\n");
        if (!isRunning) await gateway.StopAsync();
        return config;
    }
}
