namespace Gateway.Storage;

/// <summary>
/// The manifests of a repository that may be evidence about a subject: those that name it, and those that were ever pushed under its tags
/// for evidence (cosign's <c>sha256-….sig</c> and similar). A manifest stays evidence when its tag is overwritten.
/// </summary>
public static class EvidenceNotes
{
    /// <summary>
    /// The subject that a tag's name means, when the tag is bound to this manifest. Empty for any other tag, and for a manifest under the
    /// bare tag of its own digest, which <c>cosign copy</c> creates: a manifest is not evidence about itself.
    /// </summary>
    public static Digest SubjectOf(TagName tag, Digest bound) =>
        EvidenceTag.Parse(tag) is { } known && known.Subject != bound ? known.Subject : default;

    /// <summary>
    /// The evidence of a subject. First the evidence on which an admitting verdict rested, so that a flood of newer evidence cannot hide it
    /// from a bounded reader; then newest first.
    /// </summary>
    public static IReadOnlyList<Digest> List(StoredRepository repository, Digest subject)
    {
        var (root, path) = (repository.Root, repository.Path);
        var found = new Dictionary<Digest, (bool Counted, DateTimeOffset At)>();
        foreach (var file in Disk.FilesIn(root.Evidence(path, subject)).Concat(Disk.FilesIn(root.Referrers(path, subject))))
        {
            if (RepositoryFolders.DigestOf(file) is { IsEmpty: false } digest && Disk.Find(file) is { } note)
                found.TryAdd(digest, (IsCounted(file, note), repository.FirstSeen(digest) ?? note.Written));
        }
        if (Disk.Find(root.Listed(path, subject)) is { } list)
        {
            foreach (var digest in ListedReferrers.Read(repository, subject).Select(static d => d.Digest))
                found.TryAdd(digest, (false, repository.FirstSeen(digest) ?? list.Written));
        }
        // Evidence that another program pushed to the volume.
        foreach (var digest in Tagged(repository, subject))
            found.TryAdd(digest, (false, repository.FirstSeen(digest) ?? DateTimeOffset.MinValue));
        return [.. found.OrderByDescending(e => e.Value).ThenBy(e => e.Key).Select(e => e.Key)];
    }

    /// <summary>Whether an admitting verdict has rested on evidence about a manifest.</summary>
    public static bool HasCounted(StoredRepository repository, Digest subject) =>
        Disk.FilesIn(repository.Root.Evidence(repository.Path, subject)).Any(file => Disk.Find(file) is { } note && IsCounted(file, note));

    /// <summary>The subjects that a piece of evidence is about: the one that it names, and those that its tags named.</summary>
    public static IReadOnlyList<Digest> SubjectsOf(StoredRepository repository, Digest evidence) =>
        SubjectsOf(repository, evidence, repository.TagsOf(evidence));

    /// <summary>See <see cref="SubjectsOf(StoredRepository, Digest)"/>.</summary>
    /// <param name="tags">The tags that are bound to the evidence.</param>
    internal static IReadOnlyList<Digest> SubjectsOf(StoredRepository repository, Digest evidence, IEnumerable<TagName> tags)
    {
        var (root, path) = (repository.Root, repository.Path);
        var subjects = new HashSet<Digest>();
        if (repository.ReadManifest(evidence)?.Manifest.Subject is { } own) subjects.Add(own.Digest);
        foreach (var tag in tags)
        {
            if (SubjectOf(tag, evidence) is { IsEmpty: false } subject) subjects.Add(subject);
        }
        subjects.UnionWith(Subjects(root.Evidence(path)).Where(s => Disk.HasFile(root.Evidence(path, s, evidence))));
        return [.. subjects];
    }

    /// <summary>The notes about subjects that the repository does not have.</summary>
    public static IEnumerable<(Digest Evidence, Digest Subject)> Orphans(StoredRepository repository)
    {
        var (root, path) = (repository.Root, repository.Path);
        foreach (var subject in Subjects(root.Referrers(path)).Concat(Subjects(root.Evidence(path))).Distinct())
        {
            if (Disk.HasFile(root.ManifestLink(path, subject))) continue;
            foreach (var file in Disk.FilesIn(root.Referrers(path, subject)).Concat(Disk.FilesIn(root.Evidence(path, subject))))
            {
                if (RepositoryFolders.DigestOf(file) is { IsEmpty: false } digest) yield return (digest, subject);
            }
        }
    }

    private static IEnumerable<Digest> Subjects(string folder) =>
        from algorithm in Disk.FoldersIn(folder)
        from subject in Disk.FoldersIn(algorithm)
        let digest = Digest.TryParse($"{Path.GetFileName(algorithm)}:{Path.GetFileName(subject)}", out var parsed) ? parsed : default
        where !digest.IsEmpty
        select digest;

    private static IEnumerable<Digest> Tagged(StoredRepository repository, Digest subject)
    {
        if (subject.Algorithm != DigestAlgorithm.Sha256) yield break;
        foreach (var tag in EvidenceTag.SuffixedOf(subject))
        {
            if (repository.Live(tag) is { Live: { IsEmpty: false } live }) yield return live;
        }
        foreach (var descriptor in Referrers.FromFallbackTag(repository, subject)) yield return descriptor.Digest;
    }

    /// <summary>A note of evidence is empty until an admitting verdict rests on the evidence.</summary>
    private static bool IsCounted(string file, FileFacts note) =>
        note.Length > 0 && file.Contains("/_gateway/evidence/", StringComparison.Ordinal);
}
