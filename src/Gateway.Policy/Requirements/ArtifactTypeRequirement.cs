namespace Gateway.Policy;

/// <summary>Requires that the artifact type of a manifest is allowed, by one of the three semantics of docs/policy.md.</summary>
internal sealed class ArtifactTypeRequirement(ArtifactTypeOptions options) : IRequirement
{
    private const string Setting = "policy.artifactTypes.ALLOWED_OCI_ARTIFACT_TYPES";

    private readonly ArtifactTypeTable _table = new(options);

    public bool BindsEvidence => true;

    public void Check(Evaluation evaluation) =>
        evaluation.Findings.AddRange(Find(evaluation.Manifest, evaluation.Input.Repository, evaluation.Input.Stage));

    private IEnumerable<Finding> Find(Manifest manifest, RepositoryName repository, Stage stage)
    {
        // Quay checks pushes only: stored content stays available.
        if (!options.GeneralOciSupport && stage == Stage.Push && manifest.MediaType is MediaTypes.OciManifest or MediaTypes.OciIndex)
            return [SwitchedOff(repository)];
        if (manifest.MediaType == MediaTypes.DockerManifest) return CheckDocker(manifest, repository);
        if (options.Semantics == ArtifactTypeSemantics.QuayOff) return [];
        return manifest.IsIndex ? CheckIndex(manifest, repository) : CheckArtifact(manifest, repository);
    }

    private static Finding SwitchedOff(RepositoryName repository) => new(
        ReasonCodes.TypeArtifactNotAllowed,
        $"OCI documents are not accepted in {Name(repository)}, because policy.artifactTypes.FEATURE_GENERAL_OCI_SUPPORT is false",
        "set it to true, or push Docker schema 2");

    // Fixed in all semantics: Quay still enforces this pair today.
    private IEnumerable<Finding> CheckDocker(Manifest manifest, RepositoryName repository)
    {
        if (!_table.AllowsDocker)
        {
            yield return NotAllowed(
                ReasonCodes.TypeConfigNotAllowed, "Docker schema 2", repository,
                "to allow it, add images under policy.artifactTypes.presets");
            yield break;
        }
        var config = manifest.Config!.MediaType;
        if (config != ArtifactTypeDefaults.DockerConfig) yield return Docker(ReasonCodes.TypeConfigNotAllowed, $"config type {config}");
        if (manifest.Layers.FirstOrDefault(static layer => !ArtifactTypeDefaults.DockerLayers.Contains(layer.MediaType)) is { } layer)
            yield return Docker(ReasonCodes.TypeLayerNotAllowed, $"layer type {layer.MediaType}");
        if (manifest.ArtifactType is { } type && type != config)
            yield return Docker(ReasonCodes.TypeArtifactNotAllowed, $"artifact type {type}");

        Finding Docker(string code, string type) => new(
            code, $"{type} is not allowed in Docker schema 2 in {Name(repository)}", "its types are fixed: push it as an OCI manifest");
    }

    // Quay never checked the artifact type of an index.
    private IEnumerable<Finding> CheckIndex(Manifest index, RepositoryName repository)
    {
        if (options.Semantics == ArtifactTypeSemantics.Pairs && index.ArtifactType is { } type && !_table.Has(type))
            yield return NotAllowed(ReasonCodes.TypeArtifactNotAllowed, $"index artifact type {type}", repository, Entry($"{type}: []"));
    }

    private IEnumerable<Finding> CheckArtifact(Manifest manifest, RepositoryName repository)
    {
        var pairs = options.Semantics == ArtifactTypeSemantics.Pairs;
        var config = manifest.Config!.MediaType;
        var keyIsArtifactType = pairs && config == MediaTypes.OciEmpty && manifest.ArtifactType is not null;
        var key = keyIsArtifactType ? manifest.ArtifactType! : config;
        var second = pairs && manifest.ArtifactType is { } type && type != key && !_table.Has(type) ? type : null;
        string[] layers =
            [.. manifest.Layers.Select(static layer => layer.MediaType).Distinct().Where(layer => !_table.Allows(key, layer))];

        var fix = Fix(key, layers, second);
        if (!_table.Has(key))
        {
            yield return keyIsArtifactType
                ? NotAllowed(ReasonCodes.TypeArtifactNotAllowed, $"artifact type {key}", repository, fix)
                : NotAllowed(ReasonCodes.TypeConfigNotAllowed, $"config type {key}", repository, fix);
        }
        else if (layers.Length > 0)
        {
            yield return new(
                ReasonCodes.TypeLayerNotAllowed, $"layer type {layers[0]} is not allowed with {key} in {Name(repository)}", fix);
        }
        if (second is not null) yield return NotAllowed(ReasonCodes.TypeArtifactNotAllowed, $"artifact type {second}", repository, fix);
    }

    private static Finding NotAllowed(string code, string type, RepositoryName repository, string fix) =>
        new(code, $"{type} is not allowed in {Name(repository)}", fix);

    // One fix for everything that is wrong with the artifact, so that one change of the file is enough.
    private string Fix(string key, string[] layers, string? second)
    {
        if (key == ArtifactTypeDefaults.HelmConfig && !options.HelmOciSupport && layers.All(ArtifactTypeDefaults.HelmLayers.Contains))
            return "to allow it, set policy.artifactTypes.FEATURE_HELM_OCI_SUPPORT to true";
        if (PresetFor(key, layers, second) is { } preset) return $"to allow it, add {preset} under policy.artifactTypes.presets";
        var entries = new List<string>();
        var written = options.Allowed?.ContainsKey(key) == true;
        if (!written && (layers.Length > 0 || !_table.Has(key))) entries.Add($"{key}: [{string.Join(", ", layers)}]");
        if (second is not null) entries.Add($"{second}: []");
        var steps = new List<string>();
        if (written && layers.Length > 0)
            steps.Add($"to allow it, add to the list of {key} under {Setting}: \"{string.Join(", ", layers)}\"");
        if (entries.Count > 0) steps.Add(Entry([.. entries]));
        return string.Join("; ", steps);
    }

    // With presets configured: the preset that allows all of it. With a configured list: entries of that list.
    private string? PresetFor(string key, string[] layers, string? second) => options.Presets is null ? null :
        Enum.GetValues<ArtifactTypePreset>().Where(preset =>
        {
            var entries = ArtifactTypePresets.Entries(preset).ToDictionary();
            return entries.TryGetValue(key, out var allowed) && layers.All(allowed.Contains)
                && (second is null || entries.ContainsKey(second));
        }).Select(static preset => preset.ToString().ToLowerInvariant()).FirstOrDefault();

    // A configured list replaces the defaults. An operator without a list would lose them by adding one.
    private string Entry(params string[] entries)
    {
        var losesDefaults = options is { Allowed: null, Presets: null, Extend: false };
        return $"to allow it, {(losesDefaults ? "set merge: extend and " : "")}add under {Setting}: "
            + string.Join(" and ", entries.Select(static entry => $"\"{entry}\""));
    }

    // A name can have 255 characters; the message needs the room.
    private static string Name(RepositoryName repository) => Printable.Line(repository.Value, 64);
}
