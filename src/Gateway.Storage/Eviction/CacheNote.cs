namespace Gateway.Storage;

/// <summary>The kind of a small file or folder of a cached repository.</summary>
internal enum NoteKind : byte
{
    /// <summary>The link of a manifest.</summary>
    Manifest,

    /// <summary>The link of a blob.</summary>
    Blob,

    /// <summary>The note that a manifest refers to a subject, or is evidence about it.</summary>
    Evidence,

    /// <summary>The referrers of a subject that an upstream lists.</summary>
    Listed,
}

/// <summary>One of the small files that a cached repository has because of some content.</summary>
/// <param name="Repository">The repository's path below the root.</param>
/// <param name="About">The linked content, or the subject.</param>
internal readonly record struct Note(string Repository, NoteKind Kind, Digest About);

/// <summary>
/// The disk space of small files. ext4 and XFS allocate at least one block of 4 KiB for a file or a folder, whatever its length.
/// </summary>
internal static class DiskCost
{
    public const long Block = 4096;

    /// <summary>A link and its folder.</summary>
    public const long Link = 2 * Block;

    /// <summary>A tag: its folder, <c>current</c>, the link, and its history.</summary>
    public const long Tag = 4 * Block;

    /// <summary>A note about a subject, with the subject's folder.</summary>
    public const long Evidence = 2 * Block;

    /// <summary>
    /// A repository that is not empty: its folder, <c>_manifests</c> with two folders and one for tags, <c>_layers</c> with one,
    /// <c>_gateway</c> with one file.
    /// </summary>
    public const long Repository = 9 * Block;

    /// <summary>Some content: its whole blocks, and its folder.</summary>
    public static long OfContent(long length) => OfFile(length) + Block;

    /// <summary>A size rounded up to whole blocks.</summary>
    public static long OfFile(long length) => (length + Block - 1) / Block * Block;

    /// <summary>The disk space of a note. A list takes as much as its file.</summary>
    public static long Of(Note note) => note.Kind == NoteKind.Evidence ? Evidence : Link;
}
