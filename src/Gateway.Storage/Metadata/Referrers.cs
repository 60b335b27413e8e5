using System.Globalization;

namespace Gateway.Storage;

/// <summary>
/// The manifests of a repository that name a subject: those that were noted at their push, those that other programs pushed to the same
/// volume, and those that old clients listed in the fallback tag (distribution-spec, "Referrers Tag Schema"). Only the manifests themselves
/// count, never the description of a manifest in an index.
/// </summary>
public static class Referrers
{
    /// <summary>
    /// The longest descriptor that is stored, in bytes: one block of most file systems. For a longer one, the manifest is read again.
    /// </summary>
    public const int MaxDescriptorBytes = 4096;

    /// <summary>All referrers of a subject, sorted by digest.</summary>
    public static async ValueTask<IReadOnlyList<Descriptor>> ListAsync(StoredRepository repository, Digest subject)
    {
        await ScanOnceAsync(repository);
        var found = new SortedDictionary<Digest, Descriptor>();
        foreach (var file in Disk.FilesIn(repository.Root.Referrers(repository.Path, subject)))
        {
            if (Read(repository, file) is { } descriptor) found[descriptor.Digest] = descriptor;
            if (found.Count == IBacking.MaxReferrers) return [.. found.Values];
        }
        foreach (var descriptor in ListedReferrers.Read(repository, subject)) found.TryAdd(descriptor.Digest, descriptor);
        foreach (var descriptor in FromFallbackTag(repository, subject)) found.TryAdd(descriptor.Digest, descriptor);
        return [.. found.Values.Take(IBacking.MaxReferrers)];
    }

    private static Descriptor? Read(StoredRepository repository, string file)
    {
        if (RepositoryFolders.DigestOf(file) is not { IsEmpty: false } digest) return null;
        if (ReferrerFile.Read(Disk.Text(file) ?? "") is { } descriptor && descriptor.Digest == digest) return descriptor;
        return repository.ReadManifest(digest)?.AsReferrer();
    }

    /// <summary>The manifests listed by the fallback tag that name the subject themselves.</summary>
    public static IEnumerable<Descriptor> FromFallbackTag(StoredRepository repository, Digest subject)
    {
        if (repository.Live(EvidenceTag.BareOf(subject)) is not { Live.IsEmpty: false } tag
            || repository.ReadManifest(tag.Live) is not { Manifest.IsIndex: true } index)
            yield break;
        foreach (var child in index.Manifest.Children)
        {
            if (repository.ReadManifest(child.Digest) is { } manifest && manifest.Manifest.Subject?.Digest == subject)
                yield return manifest.AsReferrer();
        }
    }

    /// <summary>
    /// Searches manifests that another program pushed for subjects: the times of their folders differ from the noted times.
    /// </summary>
    public static Task ScanOnceAsync(StoredRepository repository) => repository.Root.IsShared
        // The log has every referrer: those of other programs were added when the repository was adopted.
        ? Task.CompletedTask
        : repository.State.ScanOnceAsync(() =>
        {
            var times = Times(repository);
            var note = repository.Root.Scanned(repository.Path);
            if (Disk.Text(note) != times) Scan(repository, note, times);
        });

    private static void Scan(StoredRepository repository, string note, string times)
    {
        foreach (var digest in repository.Manifests())
        {
            // Existing notes are not written again, so a read-only volume can also answer, as far as it has the notes.
            if (repository.ReadManifest(digest) is { Manifest.Subject: { } subject } manifest
                && !Disk.HasFile(repository.Root.Referrer(repository.Path, subject.Digest, digest)))
                repository.Note(subject.Digest, manifest.AsReferrer());
        }
        if (repository.Exists) TryNoteTimes(repository, note, times);
    }

    private static void TryNoteTimes(StoredRepository repository, string note, string times)
    {
        try
        {
            repository.WriteOwn(note, times);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start searches the manifests again.
        }
    }

    private static string Times(StoredRepository repository) => string.Join('\n', Enum.GetValues<DigestAlgorithm>().Select(a =>
        (Disk.Find(repository.Root.Revisions(repository.Path, Digest.NameOf(a)))?.Written.UtcTicks ?? 0)
            .ToString(CultureInfo.InvariantCulture)));
}
