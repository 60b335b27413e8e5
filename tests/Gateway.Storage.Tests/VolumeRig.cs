using System.Text;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>A volume in its own folder, which a test can stop, kill and open again.</summary>
internal sealed class VolumeRig : IAsyncDisposable
{
    public static readonly RepositoryName Name = RepositoryName.Parse("team/app");
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-volume-").FullName;
    private readonly TimeProvider _clock;
    private int _copies;

    private readonly Func<LocalCopies, IContentStore>? _openPushed;
    private readonly SharedStore? _shared;

    private VolumeRig(TimeProvider clock, Func<LocalCopies, IContentStore>? openPushed, SharedStore? shared) =>
        (_clock, _openPushed, _shared) = (clock, openPushed, shared);

    public string Path { get; private set; } = "";

    public Volume Volume { get; private set; } = null!;

    public static async Task<VolumeRig> OpenAsync(
        TimeProvider? clock = null, Func<LocalCopies, IContentStore>? openPushed = null, SharedStore? shared = null)
    {
        var rig = new VolumeRig(clock ?? TimeProvider.System, openPushed, shared);
        rig.Path = System.IO.Path.Combine(rig._folder, "0");
        await rig.StartAsync();
        return rig;
    }

    public async Task StartAsync()
    {
        Volume = await Volume.OpenAsync(Path, _clock, NullLogger.Instance, _openPushed, _shared, default);
        await Volume.IndexOpened;
    }

    public async Task RestartAsync()
    {
        await Volume.DisposeAsync();
        await StartAsync();
    }

    /// <summary>Continues with a copy of the current files on disk, as a kill would leave them.</summary>
    public async Task KillAsync(Action<string>? before = null)
    {
        var copy = Copy();
        await Volume.DisposeAsync();
        before?.Invoke(copy);
        Path = copy;
        await StartAsync();
    }

    private string Copy()
    {
        var copy = System.IO.Path.Combine(_folder, (++_copies).ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach (var folder in Directory.EnumerateDirectories(Path, "*", SearchOption.AllDirectories))
            Directory.CreateDirectory(copy + folder[Path.Length..]);
        foreach (var file in Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories))
        {
            File.Copy(file, copy + file[Path.Length..]);
            File.SetLastWriteTimeUtc(copy + file[Path.Length..], File.GetLastWriteTimeUtc(file));
        }
        return copy;
    }

    public static async Task<Digest> PushBlobAsync(IBacking repository, byte[] bytes)
    {
        // Clients cannot push to a cached repository, but tests fill it the same way.
        var uploads = repository as IRepositoryUploads ?? repository.Uploads!;
        await using var upload = await uploads.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default);
        await upload.AppendAsync(new MemoryStream(bytes), default);
        var digest = await upload.FinishAsync(DigestAlgorithm.Sha256, default);
        await repository.CommitAsync(new([new Operation.LinkBlob(digest, bytes.Length, upload.Id)]), default);
        return digest;
    }

    /// <summary>Pushes a manifest under a tag; its config is a blob of this text.</summary>
    public static async Task<Digest> PushAsync(IBacking repository, string tag, string text, Descriptor? subject = null)
    {
        var config = Encoding.UTF8.GetBytes(text);
        var manifest = ManifestOf(await PushBlobAsync(repository, config), config.Length, subject);
        var digest = Digest.Of(manifest);
        var operations =
            new List<Operation> { new Operation.StoreManifest(digest, manifest), new Operation.SetLive(TagName.Parse(tag), digest) };
        if (subject is not null)
            operations.Add(new Operation.AddReferrer(subject.Digest, new(MediaTypes.OciManifest, digest, manifest.Length)));
        Assert.IsType<CommitResult.Committed>(await repository.CommitAsync(new([.. operations]), default));
        return digest;
    }

    public static byte[] ManifestOf(Digest config, long size, Descriptor? subject = null) => Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{"mediaType":"{{MediaTypes.OciConfig}}","digest":"{{config}}","size":{{size}}},"layers":[]{{(
            subject is null ? "" : $$""","subject":{"mediaType":"{{subject.MediaType}}","digest":"{{subject.Digest}}","size":{{subject.Size}}}""")}}}""");

    public static byte[] Index(params Descriptor[] children) => Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{string.Join(',', children.Select(Json))}}]}""");

    public static string Json(Descriptor d) => $$"""{"mediaType":"{{d.MediaType}}","digest":"{{d.Digest}}","size":{{d.Size}}}""";

    public static async Task<Digest> LiveAsync(IBacking repository, string tag) =>
        await repository.ResolveAsync(TagName.Parse(tag), default) is Result<TagState>.Found found ? found.Value.Live : default;

    public static async Task<string> ReadAsync(IBacking repository, Digest blob)
    {
        if (await repository.OpenBlobAsync(blob, BlobUse.Whole, default) is not Result<IContent>.Found { Value: var content })
            return "absent";
        await using var opened = content;
        var writer = new MemoryBodyWriter();
        await content.CopyToAsync(writer, 0, null, default);
        return Encoding.UTF8.GetString(writer.ToArray());
    }

    public async ValueTask DisposeAsync()
    {
        await Volume.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
