using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Lists, and blobs that are mounted instead of uploaded again.</summary>
public class ListAndMountTests(RegistryFixture fixture) : ClientScenario(fixture)
{
    [Fact]
    public async Task All_tags_are_listed_in_order()
    {
        await PushAsync("lists/tags");
        string[] tags = [.. Enumerable.Range(1, 25).Select(n => $"v{n:00}")];
        foreach (var tag in tags)
            (await Client.CraneAsync("tag", "--insecure", At("lists/tags:1"), tag)).Succeeded();

        var crane = Lines(await Client.CraneAsync("ls", "--insecure", At("lists/tags")));
        var oras = Lines(await Client.OrasAsync("repo", "tags", "--plain-http", At("lists/tags")));
        var rest = Lines(await Client.OrasAsync("repo", "tags", "--plain-http", "--last", "v20", At("lists/tags")));
        string[] all = ["1", .. tags];
        Assert.Equal(all, crane);
        Assert.Equal(all, oras);
        Assert.Equal(tags[20..], rest);
    }

    [Fact]
    public async Task All_repositories_are_listed()
    {
        await PushAsync("lists/alpha");
        await PushAsync("lists/beta");

        var crane = Lines(await Client.CraneAsync("catalog", "--insecure", Registry.Host));
        var oras = Lines(await Client.OrasAsync("repo", "ls", "--plain-http", Registry.Host));

        foreach (var listed in (string[][])[crane, oras])
        {
            Assert.Contains("lists/alpha", listed);
            Assert.Contains("lists/beta", listed);
        }
        // Other tests can push to the same registry in between.
        Assert.Equal(oras.Order(StringComparer.Ordinal), oras);
    }

    [Fact]
    public async Task Crane_copies_within_the_registry_by_mounting()
    {
        await PushAsync("mount/source");

        var copied = await Client.CraneAsync("cp", "--insecure", At("mount/source:1"), At("mount/crane:1"));

        Assert.Contains("mounted blob", copied.Succeeded().Text, StringComparison.Ordinal);
        (await Client.CraneAsync("validate", "--insecure", "--remote", At("mount/crane:1"))).Succeeded();
    }

    [Fact]
    public async Task Skopeo_copies_within_the_registry()
    {
        await PushAsync("mount/source");

        (await Client.SkopeoAsync(
            "copy", "--src-tls-verify=false", "--dest-tls-verify=false", $"docker://{At("mount/source:1")}",
            $"docker://{At("mount/skopeo:1")}")).Succeeded();

        (await Client.CraneAsync("validate", "--insecure", "--remote", At("mount/skopeo:1"))).Succeeded();
    }

    private static string[] Lines(Output output) => output.Succeeded().Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private async Task PushAsync(string repository)
    {
        var (layout, _) = OciLayout.SmallImage(Folder["image"]);
        (await Client.CraneAsync("push", "--insecure", layout.Root, At($"{repository}:1"))).Succeeded();
    }
}
