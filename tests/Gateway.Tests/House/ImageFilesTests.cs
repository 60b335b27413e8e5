using System.Runtime.CompilerServices;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>What the image and the lab are built of is there and without a mistake; building them takes a daemon and a network.</summary>
public sealed class ImageFilesTests : IDisposable
{
    private static readonly string Root = FindRoot();

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-image-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Files_that_the_Dockerfile_copies_exist_and_are_not_ignored()
    {
        var let = File.ReadLines(Path.Combine(Root, ".dockerignore"))
            .Where(line => line.StartsWith('!')).Select(line => line[1..]).ToArray();
        var copied = File.ReadLines(Path.Combine(Root, "Dockerfile"))
            .Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from=", StringComparison.Ordinal))
            .SelectMany(line => line.Split(' ')[1..^1]).ToArray();

        Assert.Contains("src", copied);
        Assert.All(copied, path => Assert.True(Path.Exists(Path.Combine(Root, path)), $"{path} is not there"));
        Assert.All(copied, path => Assert.Contains(let, p => path == p || path.StartsWith(p + "/", StringComparison.Ordinal)));
    }

    [Fact]
    public void Archive_of_a_release_has_the_files_that_the_page_installs_from_it()
    {
        const string Install = "    install -D -m 644 ";
        var copied = File.ReadLines(Path.Combine(Root, "deploy/release/build.sh"))
            .Single(line => line.StartsWith("cp ", StringComparison.Ordinal)).Split(' ')[1..^1];
        var installed = File.ReadLines(Path.Combine(Root, "docs/operations.md"))
            .Where(line => line.StartsWith(Install, StringComparison.Ordinal)).Select(line => line[Install.Length..].Split(' ')[0]);

        Assert.Equal(["gateway.service", "gateway.sysusers", "gateway.yaml"], installed.Order());
        Assert.Subset(copied.Select(path => Path.GetFileName(path)).ToHashSet(), installed.ToHashSet());
        Assert.All(copied, path => Assert.True(File.Exists(Path.Combine(Root, path)), $"{path} is not there"));
    }

    [Fact]
    public void Image_is_reached_from_outside_its_container_and_gives_no_right_to_push()
    {
        var options = Load("deploy/image");

        Assert.Equal(new Uri("http://0.0.0.0:5000"), Assert.Single(options.Listen).Url);
        Assert.All(options.Access!.Rules, rule => Assert.Equal(AccessActions.Pull, rule.Actions));
    }

    [Fact]
    public void Lab_has_no_mistake_and_is_published_on_loopback_alone()
    {
        Assert.NotNull(Load("deploy/compose/gateway").Policy);

        var compose = File.ReadAllLines(Path.Combine(Root, "deploy/compose/compose.yaml"));
        var ports = compose.Where(line => line.Contains("ports:", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(ports);
        Assert.All(ports, line => Assert.Matches("""ports: \[("127\.0\.0\.1:\d+:\d+"(, )?)+\]""", line));
    }

    /// <summary>The folder's gateway.yaml, with the files that the lab's setup makes.</summary>
    private GatewayOptions Load(string folder)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "htpasswd"), "");
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        File.WriteAllText(Path.Combine(_folder.FullName, "cosign.pub"), key.ExportSubjectPublicKeyInfoPem());
        File.WriteAllText(Path.Combine(_folder.FullName, "operator-token"), "the-token-of-the-lab");
        // The lab's files are on a volume of their own.
        var yaml = File.ReadAllText(Path.Combine(Root, folder, "gateway.yaml")).Replace("/lab/", _folder.FullName + "/");
        File.WriteAllText(Path.Combine(_folder.FullName, "gateway.yaml"), yaml);

        var loaded = ConfigurationLoader.Load(Path.Combine(_folder.FullName, "gateway.yaml"), []);

        Assert.Empty(loaded.Mistakes.Select(mistake => mistake.ToString()));
        return loaded.Options!;
    }

    private static string FindRoot([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));
}
