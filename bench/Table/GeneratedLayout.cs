using System.Globalization;
using System.Text;

namespace Gateway.Bench;

/// <summary>
/// A volume of many small images in the layout of CNCF distribution, which the gateway's pushed root shares, written to disk directly. It
/// is kept between runs: a million blobs are four million files and folders, and 16 GiB of disk.
/// </summary>
internal static class GeneratedLayout
{
    private const int TagsOfRepository = 100;

    public static string Repository(int number) => string.Create(CultureInfo.InvariantCulture, $"team/app-{number:0000}");

    public static string Tag(int number) => string.Create(CultureInfo.InvariantCulture, $"v{number}");

    /// <summary>Makes it if it is not there; its folder.</summary>
    public static string Make(string folder, int blobs, int tags)
    {
        var root = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{blobs}-{tags}"));
        var complete = $"{root}.complete";
        if (File.Exists(complete)) return root;
        Console.Error.WriteLine($"bench: writing a layout of {blobs:N0} blobs to {root}; this takes minutes, once");
        // Each image: its manifest is a blob too.
        var layers = blobs / tags - 1;
        Parallel.For(0, tags / TagsOfRepository, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, repository =>
        {
            var volume = Path.Combine(root, "docker/registry/v2");
            // A run that was ended continues where it stopped: the content of a repository follows from its number.
            var last = Path.Combine(volume, "repositories", Repository(repository), "_manifests/tags", Tag(TagsOfRepository - 1), "index");
            if (Directory.Exists(last)) return;
            for (var tag = 0; tag < TagsOfRepository; tag++) WriteImage(volume, repository, tag, layers);
        });
        File.WriteAllText(complete, "");
        return root;
    }

    /// <summary>
    /// Makes a layout of many small repositories if it is not there; its folder. All have the same images, one for each tag, so that it
    /// takes a minute and not an hour.
    /// </summary>
    public static string MakeRepositories(string folder, int repositories, int tagsOfEach)
    {
        var root = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"repositories-{repositories}-{tagsOfEach}"));
        var complete = $"{root}.complete";
        if (File.Exists(complete)) return root;
        Console.Error.WriteLine($"bench: writing a layout of {repositories:N0} repositories to {root}; this takes a minute, once");
        var volume = Path.Combine(root, "docker/registry/v2");
        for (var i = 0; i < repositories; i++)
        {
            var own = Path.Combine(volume, "repositories", Repository(i));
            var config = WriteBlob(volume, "{}"u8.ToArray(), isShared: true);
            Link(Path.Combine(own, "_layers/sha256", config[7..]), config);
            for (var tag = 0; tag < tagsOfEach; tag++)
            {
                var layer = Encoding.ASCII.GetBytes($"layer {tag}");
                var blob = (WriteBlob(volume, layer, isShared: true), (long)layer.Length);
                var digest = WriteBlob(volume, Requests.Manifest(blob), isShared: true);
                Link(Path.Combine(own, "_layers/sha256", blob.Item1[7..]), blob.Item1);
                Link(Path.Combine(own, "_manifests/revisions/sha256", digest[7..]), digest);
                Link(Path.Combine(own, "_manifests/tags", Tag(tag), "current"), digest);
            }
        }
        File.WriteAllText(complete, "");
        return root;
    }

    private static void WriteImage(string root, int repository, int tag, int layers)
    {
        var folder = Path.Combine(root, "repositories", Repository(repository));
        var all = new (string, long)[layers];
        for (var i = 0; i < layers; i++)
        {
            // The first blob of an image is its config.
            var bytes = i == 0 ? "{}"u8.ToArray() : Encoding.ASCII.GetBytes($"layer {repository} {tag} {i}");
            all[i] = (WriteBlob(root, bytes, isShared: i == 0), bytes.Length);
            Link(Path.Combine(folder, "_layers/sha256", all[i].Item1[7..]), all[i].Item1);
        }
        var digest = WriteBlob(root, Requests.Manifest(all[1..]), isShared: false);
        Link(Path.Combine(folder, "_manifests/revisions/sha256", digest[7..]), digest);
        var named = Path.Combine(folder, "_manifests/tags", Tag(tag));
        Link(Path.Combine(named, "current"), digest);
        Link(Path.Combine(named, "index/sha256", digest[7..]), digest);
    }

    private static string WriteBlob(string root, byte[] bytes, bool isShared)
    {
        var digest = Requests.DigestOf(bytes);
        var folder = Path.Combine(root, "blobs/sha256", digest[7..9], digest[7..]);
        if (isShared && File.Exists(Path.Combine(folder, "data"))) return digest;
        Directory.CreateDirectory(folder);
        try
        {
            File.WriteAllBytes(Path.Combine(folder, "data"), bytes);
        }
        catch (IOException) when (isShared)
        {
            // Another thread writes the same.
        }
        return digest;
    }

    private static void Link(string folder, string digest)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "link"), digest);
    }
}
