using System.Collections.Immutable;
using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>One way to satisfy a ClusterImagePolicy: by keys, or by one identity.</summary>
internal sealed record CipAuthority(string Name, MappingNode Node)
{
    private static readonly string[] Known =
        ["name", "key", "keyless", "static", "source", "ctlog", "attestations", "rfc3161timestamp", "signatureFormat"];

    // cosign's short names of predicate types (its --type).
    private static readonly ImmutableDictionary<string, string> PredicateTypes = new Dictionary<string, string>
    {
        ["custom"] = "https://cosign.sigstore.dev/attestation/v1",
        ["slsaprovenance"] = "https://slsa.dev/provenance/v0.2",
        ["slsaprovenance02"] = "https://slsa.dev/provenance/v0.2",
        ["slsaprovenance1"] = "https://slsa.dev/provenance/v1",
        ["spdx"] = "https://spdx.dev/Document",
        ["spdxjson"] = "https://spdx.dev/Document",
        ["cyclonedx"] = "https://cyclonedx.org/bom",
        ["link"] = "https://in-toto.io/Link/v1",
        ["vuln"] = "https://cosign.sigstore.dev/attestation/vuln/v1",
        ["openvex"] = "https://openvex.dev/ns",
    }.ToImmutableDictionary();

    /// <summary>Public keys in PEM.</summary>
    public IReadOnlyList<ScalarNode> Keys { get; init; } = [];

    /// <summary>The hash that signers use; null for the default.</summary>
    public ScalarNode? Hash { get; init; }

    /// <summary>An identity's <c>issuer</c> and <c>subject</c>; null for keys.</summary>
    public MappingNode? Identity { get; init; }

    /// <summary>Whether a key's signature must be in a transparency log.</summary>
    public bool NeedsLog { get; init; }

    /// <summary>The format of the signatures; null for any.</summary>
    public string? Format { get; init; }

    /// <summary>Required predicate types; if empty, the image must be signed.</summary>
    public ImmutableArray<ScalarNode> Attested { get; init; } = [];

    /// <summary>Whether it can be one of several keys of an authority.</summary>
    public bool CanStandWithOthers => Identity is null && Attested.IsEmpty;

    /// <summary>The requirement of a rule for it.</summary>
    public MappingNode Require()
    {
        var (at, authority) = (Node.Location, Nodes.Text(Name, Node.Location));
        if (!Attested.IsEmpty)
            return Nodes.Map(at, ("attestations", Nodes.List(
                at, Attested.Select(type => Nodes.Map(at, ("predicateType", type), ("authority", authority))))));
        string[] forms = Format switch { null => [], "bundle" => ["bundle"], _ => ["legacy", "referrer-legacy"] };
        var formats = forms.Length == 0 ? null : Nodes.List(at, forms.Select(form => Nodes.Text(form, at)));
        return Nodes.Map(at, ("signatures", Nodes.List(at, [Nodes.Map(at, ("authority", authority), ("formats", formats))])));
    }

    /// <summary>The ways to satisfy an authority; unsupported ones go to the list.</summary>
    public static IEnumerable<CipAuthority> Read(ConfigurationNode node, string name, List<ConfigurationMistake> lost, Import import)
    {
        var before = lost.Count;
        if (node is not MappingNode section)
        {
            lost.Add(new(node.Location, "spec.authorities", $"expected an authority, got {node.Kind}"));
            return [];
        }
        foreach (var entry in section.Entries.Where(static entry => !Known.Contains(entry.Key)))
            lost.Add(new(entry.KeyLocation, $"spec.authorities.{entry.Key}", $"unknown key{NearestName.Hint(entry.Key, Known)}"));
        var attested = ReadAttestations(section, lost);
        ReadFormat(section, lost);
        if (section.Find("key") is null == section.Find("keyless") is null)
            lost.Add(new(node.Location, "spec.authorities", "expected key, keyless or static"));
        else if (section.Find("source") is { } source)
            import.Note(
                source, "spec.authorities.source",
                $"signatures of {name} count only in the image's own repository, which is stricter");
        var plain = new CipAuthority(name, section) { Attested = attested, Format = section.TextOf("signatureFormat") };
        var keyless = section.Find("keyless") as MappingNode;
        CipAuthority[] ways = [.. keyless is null ? ReadKey(plain, lost) : ReadKeyless(plain, keyless, lost, import)];
        return lost.Count == before || (keyless is not null && lost.Skip(before).All(IsOfIdentity)) ? ways : [];
    }

    // An unsupported identity among several does not affect the others.
    private static bool IsOfIdentity(ConfigurationMistake problem) => problem.Path.StartsWith(Identities, StringComparison.Ordinal);

    private const string Identities = "spec.authorities.keyless.identities";

    private static IEnumerable<CipAuthority> ReadKey(CipAuthority plain, List<ConfigurationMistake> lost)
    {
        const string Path = "spec.authorities.key";
        if (plain.Node.Find("key") is not MappingNode key) yield break;
        foreach (var entry in key.Entries.Where(static entry => entry.Key is not ("data" or "hashAlgorithm")))
        {
            var isKept = entry.Key is "secretRef" or "kms";
            var why = isKept ? "is readable only inside the cluster; write its public key as data" : "unknown key; remove it";
            lost.Add(new(entry.KeyLocation, $"{Path}.{entry.Key}", why));
        }
        if (plain.Node.Find("rfc3161timestamp") is { } stamp)
            lost.Add(new(
                stamp.Location, "spec.authorities.rfc3161timestamp",
                "requires a time stamp on a key's signature, which is not supported"));
        if (key.TextOf("hashAlgorithm") is { } hash and not ("sha256" or "sha384" or "sha512"))
            lost.Add(new(
                key.Find("hashAlgorithm")!.Location, $"{Path}.hashAlgorithm", $"expected sha256, sha384 or sha512, got '{hash}'"));
        if (key.Find("data") is ScalarNode { IsNull: false } data)
            yield return plain with
            {
                Keys = CipTrust.Blocks(data),
                Hash = key.Find("hashAlgorithm") as ScalarNode,
                NeedsLog = plain.Node.Find("ctlog") is not null,
            };
        else if (key.Find("secretRef") is null && key.Find("kms") is null) lost.Add(new(key.Location, Path, "expected data"));
    }

    private static IEnumerable<CipAuthority> ReadKeyless(
        CipAuthority plain, MappingNode keyless, List<ConfigurationMistake> lost, Import import)
    {
        const string Path = "spec.authorities.keyless";
        foreach (var entry in keyless.Entries.Where(static entry => entry.Key is not ("url" or "identities")))
        {
            if (entry.Key is "ca-cert" or "trustRootRef")
                import.Notes.Add(new(
                    entry.KeyLocation, $"{Path}.{entry.Key}", "the roots come from the trusted root file; add these to it"));
            else if (entry.Key == "insecureIgnoreSCT")
                import.Notes.Add(new(
                    entry.KeyLocation, $"{Path}.{entry.Key}", "certificates must be in a transparency log, which is stricter"));
            else lost.Add(new(entry.KeyLocation, $"{Path}.{entry.Key}", "unknown key; remove it"));
        }
        if (plain.Node.Find("rfc3161timestamp") is { } stamp)
            import.Note(
                stamp, "spec.authorities.rfc3161timestamp", "time stampers come from the trusted root file; add this one to it");
        if (!keyless.ItemsOf("identities").Any())
            lost.Add(new(keyless.Location, Path, "expected identities, got none; otherwise every certificate would count"));
        foreach (var (i, node) in keyless.ItemsOf("identities").Index())
        {
            var name = i == 0 ? plain.Name : $"{plain.Name}-{i}";
            if (CipIdentity.Read(node, Identities, lost, import) is not { } identity) continue;
            yield return plain with { Name = name, Identity = identity };
        }
    }

    private static ImmutableArray<ScalarNode> ReadAttestations(MappingNode section, List<ConfigurationMistake> lost)
    {
        const string Path = "spec.authorities.attestations";
        var types = ImmutableArray.CreateBuilder<ScalarNode>();
        foreach (var node in section.ItemsOf("attestations"))
        {
            if (node is not MappingNode attestation || attestation.TextOf("predicateType") is not { } type)
            {
                lost.Add(new(node.Location, Path, "expected a predicateType"));
                continue;
            }
            foreach (var entry in attestation.Entries.Where(static entry => entry.Key is not ("name" or "predicateType")))
                lost.Add(new(
                    entry.KeyLocation, $"{Path}.{entry.Key}",
                    "requires a program (CUE or Rego), which is not supported; write it as 'where' of a rule"));
            types.Add(Nodes.Text(PredicateTypes.GetValueOrDefault(type, type), attestation.Find("predicateType")!.Location));
        }
        return types.ToImmutable();
    }

    private static void ReadFormat(MappingNode section, List<ConfigurationMistake> lost)
    {
        if (section.Find("signatureFormat") is { } format && section.TextOf("signatureFormat") is not ("legacy" or "bundle"))
            lost.Add(new(format.Location, "spec.authorities.signatureFormat", "expected legacy or bundle"));
    }
}
