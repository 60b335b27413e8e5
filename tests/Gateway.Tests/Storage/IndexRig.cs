using Gateway.Oci;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Tests.Storage;

/// <summary>A folder for one test's index, and what the tests write there: records that can be told from their number.</summary>
internal sealed class IndexRig : IDisposable
{
    private readonly string _parent = Directory.CreateTempSubdirectory("gateway-index-").FullName;

    public string Folder => Path.Combine(_parent, "index");

    public IEnumerable<string> SetAside => Directory.EnumerateDirectories(_parent, "index.bad-*");

    public async Task<LinkIndex> OpenAsync(uint generation, string? folder = null)
    {
        var index = LinkIndex.Open(folder ?? Folder, generation, TimeProvider.System, NullLogger.Instance);
        await index.Opened.WaitAsync(TimeSpan.FromSeconds(30));
        return index;
    }

    public static Digest DigestOf(int number) => Digest.Of(BitConverter.GetBytes(number), number % 2 == 0 ? DigestAlgorithm.Sha256 : DigestAlgorithm.Sha512);

    public static LinkKey KeyOf(int number) => LinkKey.Of(1, $"team/app{number % 7}", LinkKind.Blob, DigestOf(number));

    public static LinkRecord LinkOf(int number, long version = 0) => new()
    {
        Size = ((long)number << 20) | version,
        Revision = (ulong)number * 31,
        Outcome = 2,
        Until = number,
        Parent = new DigestKey(DigestOf(number + 1)),
    };

    public static ContentRecord ContentOf(int number, long version = 0) => new() { Size = ((long)number << 20) | version, LastUse = version, Roots = 1 };

    public void Dispose() => Directory.Delete(_parent, recursive: true);
}
