using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// What an upstream has listed as the referrers of a subject, as one file in <c>_gateway/listed/</c>: a descriptor in each line, in the
/// form of <see cref="ReferrerFile"/>. A list may have ten thousand entries; a file for each would cost a block for each, and as many
/// writes ahead of everybody's pushes.
/// </summary>
public static class ListedReferrers
{
    /// <summary>
    /// Most bytes of annotations in one file, as much as one page of a list may have. Behind it entries stand without theirs: what a
    /// referrer says is in its manifest.
    /// </summary>
    private const int MaxAnnotated = 4 << 20;

    /// <summary>Whether anything listed is kept of a subject.</summary>
    public static bool IsStored(StoredRepository repository, Digest subject) =>
        Disk.HasFile(repository.Root.Listed(repository.Path, subject));

    /// <summary>The entries of a list; none where there is no file. A line that is damaged is left out.</summary>
    public static IEnumerable<Descriptor> Read(StoredRepository repository, Digest subject)
    {
        if (Disk.Text(repository.Root.Listed(repository.Path, subject)) is not { } text) yield break;
        foreach (var line in text.Split('\n'))
        {
            if (line.Length > 0 && ReferrerFile.Read(line) is { } descriptor) yield return descriptor;
        }
    }

    /// <summary>
    /// Adds what an upstream lists to what is listed, and tells the repository of it; nothing where all of it is known. Throws
    /// <see cref="StoreReadOnlyException"/>.
    /// </summary>
    public static async Task AddAsync(StoredRepository repository, Digest subject, IReadOnlyCollection<Descriptor> listed)
    {
        var known = Read(repository, subject).ToList();
        var digests = known.Select(static d => d.Digest).ToHashSet();
        Descriptor[] added = [.. listed.DistinctBy(static d => d.Digest).Where(d => !digests.Contains(d.Digest))];
        if (added.Length == 0) return;
        // What is listed now first: what the upstream has dropped is what goes where there are too many.
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
