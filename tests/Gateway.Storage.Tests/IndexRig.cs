using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Storage.Tests;

/// <summary>A folder for the lookup index of one test, and records that the tests can derive from a number.</summary>
internal sealed class IndexRig : IDisposable
{
    private int _copies;
    private readonly string _parent = Directory.CreateTempSubdirectory("gateway-index-").FullName;

    public string Folder => Path.Combine(_parent, "index");

    public IEnumerable<string> SetAside => Directory.EnumerateDirectories(_parent, "index.bad-*");

    /// <summary>Opens a lookup index with the default sizes.</summary>
    public async Task<LinkIndex> OpenAsync(uint generation)
    {
        var index = LinkIndex.Open(Folder, generation, TimeProvider.System, NullLogger.Instance);
        await index.Opened.InTimeAsync("the index is open");
        return index;
    }

    /// <summary>A lookup index with little memory, so that it is quick to copy and reads from disk.</summary>
    public static LinkIndex OpenSmall(uint generation, string folder, TimeProvider? clock = null) =>
        LinkIndex.Open(
            folder, generation, clock ?? TimeProvider.System, NullLogger.Instance, new IndexSizes(Log: 1 << 19, HashTable: 1 << 16));

    /// <summary>Copies the lookup index's folder to a new one, also during writes; the caller removes its parent.</summary>
    public string Copy()
    {
        var copy = Path.Combine(_parent, $"copy{Interlocked.Increment(ref _copies)}", "index");
        foreach (var file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(copy, Path.GetRelativePath(Folder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            try
            {
                File.Copy(file, to);
            }
            catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
            {
                // An older checkpoint, removed during the copy with its folder.
            }
        }
        return copy;
    }

    public static Digest DigestOf(int number) =>
        Digest.Of(BitConverter.GetBytes(number), number % 2 == 0 ? DigestAlgorithm.Sha256 : DigestAlgorithm.Sha512);

    public static LinkKey KeyOf(int number) => LinkKey.Of(1, $"team/app{number % 7}", LinkKind.Blob, DigestOf(number));

    public static LinkRecord LinkOf(int number, long version = 0) => new()
    {
        Size = ((long)number << 20) | version,
        Revision = (ulong)number * 31,
        Outcome = 2,
        Until = number,
        Parent = new DigestKey(DigestOf(number + 1)),
    };

    public static ContentRecord ContentOf(int number, long version = 0) =>
        new() { Priority = number + (version / 8.0), Uses = (uint)version + 1 };

    public void Dispose() => Directory.Delete(_parent, recursive: true);
}
