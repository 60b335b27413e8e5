using System.Diagnostics;
using System.Globalization;
using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Policy.Tests.Oci;

/// <summary>
/// Real clients as judges of the reader: whatever document it accepts they read in the same way. Many documents are written by chance, each
/// naming blobs of its own, beside blobs that only another reading would find; those that the reader accepts become the children of one
/// index, and a client copies all below it. What it has copied is what it read. Needs <c>GATEWAY_RIG</c>; skipped without.
/// </summary>
public sealed class ClientViewTests : IDisposable
{
    // Of these about a fifth is accepted; one process of a client reads all of them, in about a second.
    private const int Documents = 300;

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-view-").FullName;
    private Random _random = new(0);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("skopeo", 1)]
    [InlineData("skopeo", 2)]
    [InlineData("oras", 1)]
    [InlineData("oras", 2)]
    public async Task Documents_that_are_accepted_are_read_alike(string client, int seed)
    {
        _random = new(seed);
        Directory.CreateDirectory(Path.Combine(_folder, "from/blobs/sha256"));
        File.WriteAllText(Path.Combine(_folder, "from/oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        var read = new HashSet<string>();
        var entries = new List<string>();
        for (var i = 0; i < Documents; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(Write(i));
            var (manifest, _) = ManifestReader.Read(bytes, MediaTypes.OciManifest, new());
            if (manifest is null) continue;
            entries.Add(
                $$$"""{"mediaType":"{{{manifest.MediaType}}}","digest":"{{{Blob(bytes)}}}","size":{{{bytes.Length}}},"platform":{"os":"linux","architecture":"a{{{i}}}"}}""");
            read.UnionWith(manifest.Blobs.Select(b => b.Digest.ToString()).Append(Digest.Of(bytes).ToString()));
        }
        Assert.InRange(entries.Count, Documents / 20, Documents / 2);
        var index = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{string.Join(',', entries)}}]}""");
        read.Add(Blob(index));
        File.WriteAllText(
            Path.Combine(_folder, "from/index.json"),
            $$"""{"schemaVersion":2,"manifests":[{"mediaType":"{{MediaTypes.OciIndex}}","digest":"{{Digest.Of(index)}}","size":{{index.Length}},"annotations":{"org.opencontainers.image.ref.name":"all"} }]}""");

        await CopyAsync(client);

        var copied = Directory.GetFiles(Path.Combine(_folder, "to/blobs/sha256")).Select(static file => $"sha256:{Path.GetFileName(file)}").ToHashSet();
        Assert.Empty(copied.Except(read));
        Assert.Empty(read.Except(copied));
    }

    // Each member of a manifest as it should be, or written in a way that some reader may take for something else.
    private string Write(int number)
    {
        var members = new List<string>
        {
            Member("schemaVersion", "2", "2"),
            Member("config", Descriptor(MediaTypes.OciConfig, Config(number)), Descriptor(MediaTypes.OciConfig, Config(-number - 1))),
            Member("layers", $"[{Layer($"{number} a")},{Layer($"{number} b")}]", $"[{Layer($"{number} evil")}]"),
        };
        if (Chance(2)) members.Add(Member("mediaType", $"\"{MediaTypes.OciManifest}\"", $"\"{MediaTypes.OciManifest}\""));
        if (Chance(3)) members.Add(Member("annotations", $$"""{"a":"{{number}}","\u0061b":"\u00e9\n"}""", "{}"));
        if (Chance(4)) members.Add($$"""{{Space()}}"unknown":{"layers":[{{Layer($"{number} unknown")}}],"Config":null,"n":-1.5e300}""");
        if (Chance(8)) members.Add($$"""{{Space()}}"manifests":[{{Layer($"{number} child")}}]""");
        _random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(members));
        return $"{{{string.Join(',', members)}{Space()}}}{(Chance(40) ? "{}" : Space())}";
    }

    private string Member(string name, string good, string evil)
    {
        var pair = $"{Space()}\"{Spelled(name)}\"{Space()}:{Space()}{good}";
        return _random.Next(12) switch
        {
            0 => $"{pair},\"{name}\":{evil}",
            1 => $"\"{name}\":{evil},{pair}",
            2 => $"{pair},\"{Cased(name)}\":{evil}",
            3 => $"\"{Cased(name)}\":{evil},{pair}",
            4 => $"{pair},\"{name}\\u0000\":{evil}",
            _ => pair,
        };
    }

    // The name itself, also by escapes.
    private string Spelled(string name)
    {
        if (!Chance(5)) return name;
        var at = _random.Next(name.Length);
        return $"{name[..at]}\\u{((int)name[at]).ToString("x4", CultureInfo.InvariantCulture)}{name[(at + 1)..]}";
    }

    // What a reader that folds case takes for the name.
    private string Cased(string name) => _random.Next(3) switch
    {
        0 => name.ToUpperInvariant(),
        1 => char.ToUpperInvariant(name[0]) + name[1..],
        _ => name.Replace("s", Chance(2) ? "\\u017f" : "ſ", StringComparison.Ordinal),
    };

    private bool Chance(int of) => _random.Next(of) == 0;

    private string Space() => Chance(6) ? "\t\r\n "[.._random.Next(5)] : "";

    private string Layer(string text) => Descriptor("application/vnd.oci.image.layer.v1.tar", Encoding.UTF8.GetBytes($"layer {text}"));

    private static byte[] Config(int number) => Encoding.UTF8.GetBytes(
        $$$"""{"os":"linux","architecture":"amd64","author":"{{{number}}}","rootfs":{"type":"layers","diff_ids":[]}}""");

    private string Descriptor(string type, byte[] bytes)
    {
        var members = new[]
        {
            Member("mediaType", $"\"{type}\"", "\"text/evil\""), Member("digest", $"\"{Blob(bytes)}\"", $"\"{Blob([.. bytes, 0])}\""),
            Member("size", $"{bytes.Length}", $"{bytes.Length + 1}"),
        };
        // Three members in each of three descriptors: let most of them be as they should.
        if (!Chance(5)) members = [$"\"mediaType\":\"{type}\"", $"\"digest\":\"{Blob(bytes)}\"", $"\"size\":{bytes.Length}"];
        _random.Shuffle(members);
        return $"{{{string.Join(',', members)}}}";
    }

    private string Blob(byte[] bytes)
    {
        var digest = Digest.Of(bytes);
        File.WriteAllBytes(Path.Combine(_folder, "from/blobs/sha256", digest.Hex.ToString()), bytes);
        return digest.ToString();
    }

    private async Task CopyAsync(string client)
    {
        var rig = Environment.GetEnvironmentVariable("GATEWAY_RIG");
        var program = rig is null ? "" : Path.Combine(rig, "bin", client);
        Assert.SkipUnless(File.Exists(program), $"GATEWAY_RIG names no folder with {client}");
        string[] arguments = client == "skopeo"
            ? ["--insecure-policy", "copy", "--all", "--preserve-digests", "oci:from:all", "oci:to:all"]
            : ["copy", "--from-oci-layout", "--to-oci-layout", "from:all", "to:all"];
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = _folder;
        start.Environment["TMPDIR"] = _folder;
        using var process = Process.Start(start)!;
        var (told, wrong) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{client} does not take what we take: {await told}{await wrong}");
    }
}
