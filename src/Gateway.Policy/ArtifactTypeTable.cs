using System.Collections.Frozen;

namespace Gateway.Policy;

/// <summary>
/// The layer types that each key allows: the configured entries and presets or the defaults, and the types that need no entry.
/// </summary>
internal sealed class ArtifactTypeTable
{
    private readonly FrozenDictionary<string, FrozenSet<string>> _layers;
    private readonly FrozenSet<string> _union;

    /// <summary>Builds the table from Quay's list, the configured list or both, and the presets (docs/policy.md, "The list").</summary>
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
        AllowsDocker = HasDefaults(options) || options.Presets is not { } named || named.Contains(ArtifactTypePreset.Images);
    }

    /// <summary>Whether every key allows the layers of all keys (Quay up to 3.11).</summary>
    private bool Unions { get; }

    /// <summary>Whether Docker schema 2 is allowed. Its types are fixed.</summary>
    public bool AllowsDocker { get; }

    public bool Has(string key) => _layers.ContainsKey(key);

    /// <summary>Whether a manifest of this key can have a layer of this type.</summary>
    public bool Allows(string key, string layer) =>
        Unions ? _union.Contains(layer) : _layers.TryGetValue(key, out var layers) && layers.Contains(layer);

    private static IEnumerable<KeyValuePair<string, ImmutableArray<string>>> Entries(ArtifactTypeOptions options)
    {
        var written = options.Allowed ?? ImmutableSortedDictionary<string, ImmutableArray<string>>.Empty;
        IEnumerable<KeyValuePair<string, ImmutableArray<string>>> defaults = HasDefaults(options) ? ArtifactTypeDefaults.QuayAllowed : [];
        // Quay's list contains Helm too. Switching Helm off removes that entry as well.
        return written.Concat(defaults.Concat(Named(options))
            .Where(e => options.HelmOciSupport || e.Key != ArtifactTypeDefaults.HelmConfig));
    }

    private static bool HasDefaults(ArtifactTypeOptions options) => options.Extend || (options.Allowed is null && options.Presets is null);

    // Without presets: the types that need no entry in Quay, whatever the list is; with pairs also what Quay's list lacks.
    private static IEnumerable<KeyValuePair<string, ImmutableArray<string>>> Named(ArtifactTypeOptions options) =>
        options.Presets is { } named ? named.SelectMany(ArtifactTypePresets.Entries).Concat(options.Extend ? Always : [])
        : HasDefaults(options) && options.Semantics == ArtifactTypeSemantics.Pairs
            ? ArtifactTypePresets.Default.SelectMany(ArtifactTypePresets.Entries)
            : Always;

    private static IEnumerable<KeyValuePair<string, ImmutableArray<string>>> Always =>
        [new(MediaTypes.OciConfig, ArtifactTypeDefaults.OciLayers), new(ArtifactTypeDefaults.HelmConfig, ArtifactTypeDefaults.HelmLayers)];
}
