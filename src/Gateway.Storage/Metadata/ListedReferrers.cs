using System.Text;

namespace Gateway.Storage;

/// <summary>
/// The referrers of a subject that an upstream has listed, as one file in <c>_gateway/listed/</c>: one descriptor per line, in the form of
/// <see cref="ReferrerFile"/>. A list may have ten thousand entries. One file for each would take a block for each, and as many writes that
/// delay all pushes.
/// </summary>
public static class ListedReferrers
{
    /// <summary>
    /// The largest number of bytes of annotations in one file, as much as one page of a list may have. Entries beyond it have no
    /// annotations; the manifest of the referrer has them.
    /// </summary>
    private const int MaxAnnotated = 4 << 20;

    /// <summary>Whether a list is stored for a subject.</summary>
    public static bool IsStored(StoredRepository repository, Digest subject) =>
        Disk.HasFile(repository.Root.Listed(repository.Path, subject));

    /// <summary>The entries of a list; empty when there is no file. A damaged line is omitted.</summary>
    public static IEnumerable<Descriptor> Read(StoredRepository repository, Digest subject)
    {
        if (Disk.Text(repository.Root.Listed(repository.Path, subject)) is not { } text) yield break;
        foreach (var line in text.Split('\n'))
        {
            if (line.Length > 0 && ReferrerFile.Read(line) is { } descriptor) yield return descriptor;
        }
    }

    /// <summary>
    /// Adds referrers that an upstream lists to the stored list, and the repository's versions rise; does nothing when all are known.
    /// Throws <see cref="StoreReadOnlyException"/>.
    /// </summary>
    public static async Task AddAsync(StoredRepository repository, Digest subject, IReadOnlyCollection<Descriptor> listed)
    {
        var known = Read(repository, subject).ToList();
        var digests = known.Select(static d => d.Digest).ToHashSet();
        Descriptor[] added = [.. listed.DistinctBy(static d => d.Digest).Where(d => !digests.Contains(d.Digest))];
        if (added.Length == 0) return;
        // The current list first: if there are too many entries, those that the upstream no longer lists are dropped.
        var text = Format(added.Concat(known).Take(IBacking.MaxReferrers));
        await repository.CommitAsync(new([new Operation.StoreListed(subject, text)]), CancellationToken.None);
    }

    private static byte[] Format(IEnumerable<Descriptor> descriptors)
    {
        var (text, annotated) = (new StringBuilder(), 0);
        foreach (var descriptor in descriptors)
        {
            var line = ReferrerFile.Write(descriptor);
            annotated += line.Length;
            if (line.Length > Referrers.MaxDescriptorBytes || annotated > MaxAnnotated)
                line = ReferrerFile.Write(descriptor with { Annotations = descriptor.Annotations.Clear() });
            text.Append(line).Append('\n');
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
