namespace Gateway.Storage;

/// <summary>Compares what manifests, tags and notes name with what is stored, and finds the manifests that need damaged content.</summary>
internal sealed class LinkScrub
{
    /// <summary>The largest number of manifests that are listed for one damaged content. Chosen: what a person reads.</summary>
    private const int MaxNeeding = 100;

    private readonly VolumeContent _content;
    private readonly ManifestFiles _files;
    private readonly WorkPace _pace;
    private readonly Dictionary<Digest, List<NeedingManifest>> _needed;
    private readonly List<string> _problems = [];

    public LinkScrub(VolumeContent content, ManifestFiles files, TimeProvider clock, IEnumerable<Digest> damaged)
    {
        (_content, _files, _pace) = (content, files, new(clock));
        _needed = damaged.Distinct().ToDictionary(static digest => digest, static _ => new List<NeedingManifest>());
    }

    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Problems beyond the listed ones.</summary>
    public long Unlisted { get; private set; }

    /// <summary>The manifests that need some damaged content.</summary>
    public IReadOnlyList<NeedingManifest> NeededBy(Digest damaged) => _needed.GetValueOrDefault(damaged) ?? [];

    /// <summary>Compares every repository of a root.</summary>
    public async Task RunAsync(
        Root root, Func<string, StoredRepository> repositoryAt, Action<ScrubProgress> report, CancellationToken stop)
    {
        var done = 0L;
        foreach (var path in RepositoryFolders.In(root))
        {
            report(new($"{Scrubber.NameOf(root.Lifetime)}: links", done++, null, "repositories", null));
            await RunAsync(repositoryAt(path), stop);
        }
    }

    private async Task RunAsync(StoredRepository repository, CancellationToken stop)
    {
        foreach (var digest in repository.Manifests())
        {
            await _pace.RestAsync(stop);
            var (manifest, target, _) = await _files.ReadAsync(repository, digest, stop);
            if (target.IsEmpty)
            {
                if (Has(repository, digest) && ManifestFiles.TargetOf(repository, LinkKind.Manifest, digest).IsEmpty)
                    Report($"{repository.Path}@{digest}: the link of the manifest has no digest; push it again");
                continue;
            }
            Need(repository, digest, target);
            if (manifest is null)
            {
                if (!_needed.ContainsKey(target)) Report($"{repository.Path}@{digest}: the manifest cannot be read; push it again");
                continue;
            }
            foreach (var blob in manifest.AllBlobs.Where(static blob => blob.Urls.IsEmpty))
                await CheckAsync(repository, digest, blob, stop);
            foreach (var child in manifest.Children.Where(static child => MediaTypes.IsManifest(child.MediaType)))
            {
                if (!Has(repository, child.Digest) && Has(repository, digest))
                    Report($"{repository.Path}@{digest}: {child.Digest}, which the index names, is missing; push it again");
            }
        }
        foreach (var tag in repository.Tags())
        {
            await _pace.RestAsync(stop);
            if (repository.LiveOf(tag) is { IsEmpty: false } live && !Has(repository, live) && repository.LiveOf(tag) == live)
                Report($"{repository.Path}:{tag}: the tag is bound to {live}, which the repository does not have; push the tag again");
        }
        foreach (var evidence in RepositoryFolders.EvidenceIn(repository.Root.Referrers(repository.Path)))
        {
            await _pace.RestAsync(stop);
            if (!Has(repository, evidence))
                Report($"{repository.Path}: {evidence} is listed as a referrer, and the repository does not have it; push it again");
        }
    }

    private async ValueTask CheckAsync(StoredRepository repository, Digest manifest, Descriptor blob, CancellationToken stop)
    {
        var target = ManifestFiles.TargetOf(repository, LinkKind.Blob, blob.Digest);
        if (_needed.ContainsKey(target.IsEmpty ? blob.Digest : target))
        {
            Need(repository, manifest, target.IsEmpty ? blob.Digest : target);
            return;
        }
        var length = target.IsEmpty ? null : await _content.FindAsync(target, -1, stop);
        // The manifest may have been deleted and its blobs collected since it was read.
        if (length == blob.Size || !Has(repository, manifest)) return;
        Report(length is { } got
            ? $"{repository.Path}@{manifest}: expected {blob.Size} bytes of {blob.Digest}, got {got}; push the image again"
            : $"{repository.Path}@{manifest}: {blob.Digest} is missing; push the image again");
    }

    private void Need(StoredRepository repository, Digest manifest, Digest damaged)
    {
        if (!_needed.TryGetValue(damaged, out var needing) || needing.Count == MaxNeeding) return;
        if (needing.Any(each => each.Repository == repository.FullName && each.Digest == manifest.ToString())) return;
        needing.Add(new(repository.FullName, manifest.ToString(), [.. repository.TagsOf(manifest).Select(static tag => tag.Value)]));
    }

    private static bool Has(StoredRepository repository, Digest manifest) =>
        Disk.HasFile(repository.Root.ManifestLink(repository.Path, manifest));

    private void Report(string problem)
    {
        if (_problems.Count < ScrubReport.MaxListed) _problems.Add(problem);
        else Unlisted++;
    }
}
