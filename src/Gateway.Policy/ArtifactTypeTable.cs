using System.Collections.Frozen;
using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>Which layer types each key allows: the file's entries or Quay's defaults, with what needs no entry.</summary>
internal sealed class ArtifactTypeTable
{
    private readonly FrozenDictionary<string, FrozenSet<string>> _layers;
    private readonly FrozenSet<string> _union;

    /// <summary>
    /// Puts the table together: Quay's list or the operator's, or both (docs/policy.md, "The list"), then what is always there.
    /// </summary>
    public ArtifactTypeTable(ArtifactTypeOptions options)
    {
        var layers = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var (key, values) in Entries(options))
        {
            if (!layers.TryGetValue(key, out var known)) layers[key] = known = new(StringComparer.Ordinal);
            known.UnionWith(values);
        }
        _layers = layers.ToFrozenDictionary(
            static e => e.Key, static e => e.Value.ToFrozenSet(StringComparer.Ordinal), StringComparer.Ordinal);
        _union = _layers.Values.SelectMany(static values => values).ToFrozenSet(StringComparer.Ordinal);
        Unions = options.Semantics == ArtifactTypeSemantics.QuayUnion;
    }

    /// <summary>Whether any key allows every key's layers (Quay up to 3.11).</summary>
    private bool Unions { get; }

    /// <summary>Whether this is a key.</summary>
    public bool Has(string key) => _layers.ContainsKey(key);

    /// <summary>Whether a manifest of this key may have such a layer.</summary>
    public bool Allows(string key, string layer) =>
        Unions ? _union.Contains(layer) : _layers.TryGetValue(key, out var layers) && layers.Contains(layer);

    private static IEnumerable<KeyValuePair<string, ImmutableArray<string>>> Entries(ArtifactTypeOptions options)
    {
        var written = options.Allowed ?? ImmutableSortedDictionary<string, ImmutableArray<string>>.Empty;
        // Quay's own list has Helm too; who switches Helm off means that one as well.
        var defaults = options.Allowed is null || options.Extend
            ? ArtifactTypeDefaults.QuayAllowed.Where(e => options.HelmOciSupport || e.Key != ArtifactTypeDefaults.HelmConfig)
            : [];
        var always = new Dictionary<string, ImmutableArray<string>> { [MediaTypes.OciConfig] = ArtifactTypeDefaults.OciLayers };
        if (options.HelmOciSupport) always[ArtifactTypeDefaults.HelmConfig] = ArtifactTypeDefaults.HelmLayers;
        return written.Concat(defaults).Concat(always);
    }
}
