using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Evidence that real programs made, in the form that registries store (see Fixtures/make.sh).</summary>
internal sealed record Fixture(
    string Name, RepositoryName Repository, Digest Subject, string KeyPem, SignatureHash Hash, ImmutableArray<Evidence> Evidence)
{
    /// <summary>When the evidence of all fixtures was first seen.</summary>
    public static readonly DateTimeOffset Seen = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);

    public static Fixture Read(string name)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Signatures", "Fixtures", $"{name}.json")))!;
        return new(
            name, RepositoryName.Parse((string)json["repository"]!), Digest.Parse((string)json["subject"]!), (string)json["key"]!,
            Enum.Parse<SignatureHash>((string)json["hash"]!, ignoreCase: true),
            [.. json["evidence"]!.AsArray().Select(static one => ReadEvidence(one!))]);
    }

    private static Evidence ReadEvidence(JsonNode json)
    {
        var bytes = Encoding.UTF8.GetBytes((string)json["manifest"]!);
        var (manifest, problem) = ManifestReader.Read(bytes, null, new());
        Assert.Null(problem);
        var blobs = json["blobs"]!.AsObject().ToImmutableDictionary(
            static blob => Digest.Parse(blob.Key), static blob => (ReadOnlyMemory<byte>)Convert.FromBase64String((string)blob.Value!));
        Assert.All(blobs, static blob => Assert.Equal(blob.Key, Digest.Of(blob.Value.Span)));
        TagName? tag = (string?)json["tag"] is { } name ? TagName.Parse(name) : null;
        return new(Digest.Of(bytes), manifest!, tag, Seen, blobs);
    }

    /// <summary>Trust in the fixture's key under the authority <c>release</c>.</summary>
    public TrustOptions Trust => TrustIn.Keys(("release", new(VerificationKey.Parse(KeyPem).Key!) { Hash = Hash }));

    public EvidenceCheck Signatures(SignatureRequirementOptions? requirement = null) => new EvidenceVerifier(Trust).Signatures(
        requirement ?? new("release"), Subject, Repository, EvidenceSet.Read(Evidence), Seen);

    public EvidenceCheck Attestations(string predicateType, params PredicateCondition[] where) => new EvidenceVerifier(Trust).Attestations(
        new(predicateType, "release") { Where = [.. where] }, Subject, EvidenceSet.Read(Evidence), Seen);
}

/// <summary>Trust for tests.</summary>
internal static class TrustIn
{
    /// <summary>One authority, <c>release</c>, of these keys.</summary>
    public static TrustOptions Keys(params (string Id, KeyOptions Options)[] keys) => new()
    {
        Keys = keys.ToImmutableSortedDictionary(static key => key.Id, static key => key.Options),
        Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
            "release", new("release") { AnyOf = [.. keys.Select(static key => key.Id)] }),
    };

    public static TrustOptions Keys(params TestKey[] keys) =>
        Keys([.. keys.Select(static (key, i) => ($"key-{i + 1}", new KeyOptions(key.Public)))]);
}
