namespace Gateway.Storage;

/// <summary>
/// <c>_gateway/deleted/</c> of a repository: the manifests that were removed and had evidence. The collector removes their evidence after
/// the grace time. Evidence whose subject never was in the repository stays: it may be about content of another one.
/// </summary>
internal static class DeletedSubjects
{
    /// <summary>Notes the removal of a manifest, if the repository has evidence about it.</summary>
    public static void Note(StoredRepository repository, Digest subject, DateTimeOffset at, SmallFiles files)
    {
        try
        {
            if (EvidenceNotes.List(repository, subject).Count > 0) files.Write(FileOf(repository, subject), [], writtenAt: at);
        }
        catch (IOException)
        {
            // On a full volume the evidence stays, and nothing is lost.
        }
    }

    /// <summary>The subjects, and when each was removed.</summary>
    public static IEnumerable<(Digest Subject, DateTimeOffset At)> In(StoredRepository repository)
    {
        foreach (var file in Disk.FilesIn(repository.Root.Deleted(repository.Path)))
        {
            if (RepositoryFolders.DigestOf(file) is { IsEmpty: false } subject && Disk.Find(file) is { } facts)
                yield return (subject, facts.Written);
        }
    }

    /// <summary>Whether there is a note that this manifest was removed.</summary>
    public static bool Has(StoredRepository repository, Digest subject) => Disk.HasFile(FileOf(repository, subject));

    /// <summary>Removes the note.</summary>
    public static void Forget(StoredRepository repository, Digest subject) => File.Delete(FileOf(repository, subject));

    private static string FileOf(StoredRepository repository, Digest subject) =>
        $"{repository.Root.Deleted(repository.Path)}/{subject.AlgorithmName}-{subject.Hex}";
}
