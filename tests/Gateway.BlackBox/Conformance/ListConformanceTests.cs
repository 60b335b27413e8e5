using System.Net;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Conformance;

/// <summary>Tags, catalog and referrers, page by page.</summary>
public class ListConformanceTests(RegistryFixture fixture) : IClassFixture<RegistryFixture>, IDisposable
{
    private readonly RawClient _raw = new(fixture.Registry.Host);

    [Fact]
    public async Task Tags_are_paged_in_order_and_the_links_are_relative()
    {
        string[] tags = ["A", "a", "b1", "b10", "b2", "z"];
        var image = await _raw.ImageAsync("lists/paged", tags[0], "layer"u8.ToArray());
        foreach (var tag in tags[1..])
        {
            using var pushed = await _raw.PushManifestAsync("lists/paged", tag, image);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        }

        Assert.Equal([["A", "a", "b1", "b10"], ["b2", "z"]], await PagesAsync("/v2/lists/paged/tags/list?n=4", "tags"));
        Assert.Equal([["b2", "z"]], await PagesAsync("/v2/lists/paged/tags/list?last=b10", "tags"));
        Assert.Equal([["b2", "z"]], await PagesAsync("/v2/lists/paged/tags/list?last=b11", "tags"));
        Assert.Equal([[]], await PagesAsync("/v2/lists/paged/tags/list?n=0", "tags"));
        Assert.Equal([["A", "a", "b1", "b10", "b2", "z"]], await PagesAsync("/v2/lists/paged/tags/list?n=6", "tags"));
    }

    [Fact]
    public async Task Tags_of_an_unknown_repository_return_404()
    {
        using var answer = await _raw.GetAsync("/v2/lists/unknown/tags/list");

        await RawClient.ExpectErrorAsync(answer, 404, "NAME_UNKNOWN");
    }

    [Fact]
    public async Task Catalog_is_paged_in_order()
    {
        foreach (var repository in (string[])["lists/catalog/b", "lists/catalog/a", "lists/catalog-c"])
            await _raw.ImageAsync(repository, "1", "layer"u8.ToArray());

        var pages = await PagesAsync("/v2/_catalog?n=1", "repositories");

        Assert.All(pages, page => Assert.True(page.Length <= 1));
        string[] all = [.. pages.SelectMany(page => page)];
        Assert.Equal(all.Order(StringComparer.Ordinal), all);
        Assert.Superset(new HashSet<string>(["lists/catalog/a", "lists/catalog/b", "lists/catalog-c"]), all.ToHashSet());
    }

    [Fact]
    public async Task Referrers_of_any_digest_return_an_index()
    {
        using var answer = await _raw.GetAsync($"/v2/lists/referrers/referrers/{Described.Sha256("nothing"u8)}");

        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        Assert.Equal(OciLayout.ImageIndex, answer.Content.Headers.ContentType!.ToString());
        Assert.Empty(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["manifests"]!.AsArray());
    }

    [Theory]
    [InlineData("before")]
    [InlineData("after")]
    public async Task Referrer_is_listed_whether_it_was_pushed_before_or_after_its_subject(string when)
    {
        var repository = $"lists/subject-{when}";
        var config = await _raw.BlobAsync(repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        var subjectBytes = RawClient.Manifest(config);
        var subject = Described.Of(subjectBytes, OciLayout.ImageManifest);
        if (when == "after")
            await PushAsync(repository, subjectBytes);

        var referrer = await ReferrerAsync(repository, subject, "application/vnd.example.sbom");

        if (when == "before")
            await PushAsync(repository, subjectBytes);
        using var answer = await _raw.GetAsync($"/v2/{repository}/referrers/{subject.Digest}");
        var listed = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["manifests"]!.AsArray().Single()!;
        Assert.Equal(Described.Sha256(referrer), listed["digest"]!.GetValue<string>());
        Assert.Equal(referrer.Length, listed["size"]!.GetValue<int>());
        Assert.Equal(OciLayout.ImageManifest, listed["mediaType"]!.GetValue<string>());
        Assert.Equal("application/vnd.example.sbom", listed["artifactType"]!.GetValue<string>());
        Assert.Equal("yes", listed["annotations"]!["test"]!.GetValue<string>());
    }

    [Fact]
    public async Task Referrers_are_filtered_by_type_and_the_answer_says_so()
    {
        var config = await _raw.BlobAsync("lists/filtered", "{}"u8.ToArray(), OciLayout.ImageConfig);
        var subjectBytes = RawClient.Manifest(config);
        await PushAsync("lists/filtered", subjectBytes);
        var subject = Described.Of(subjectBytes, OciLayout.ImageManifest);
        await ReferrerAsync("lists/filtered", subject, "application/vnd.example.sbom");
        await ReferrerAsync("lists/filtered", subject, "application/vnd.example.scan");

        using var answer = await _raw.GetAsync($"/v2/lists/filtered/referrers/{subject.Digest}?artifactType=application/vnd.example.scan");

        Assert.Equal("artifactType", answer.Headers.GetValues("OCI-Filters-Applied").Single());
        var listed = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["manifests"]!.AsArray().Single()!;
        Assert.Equal("application/vnd.example.scan", listed["artifactType"]!.GetValue<string>());
    }

    [Fact]
    public async Task Deleted_referrer_is_not_listed()
    {
        var config = await _raw.BlobAsync("lists/unlisted", "{}"u8.ToArray(), OciLayout.ImageConfig);
        var subject = Described.Of(RawClient.Manifest(config), OciLayout.ImageManifest);
        var referrer = await ReferrerAsync("lists/unlisted", subject, "application/vnd.example.sbom");

        using (var deleted = await _raw.DeleteAsync($"/v2/lists/unlisted/manifests/{Described.Sha256(referrer)}"))
            await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);

        using var answer = await _raw.GetAsync($"/v2/lists/unlisted/referrers/{subject.Digest}");
        Assert.Empty(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["manifests"]!.AsArray());
    }

    public void Dispose()
    {
        _raw.Dispose();
        GC.SuppressFinalize(this);
    }

    private async Task PushAsync(string repository, byte[] document)
    {
        using var pushed = await _raw.PushManifestAsync(repository, Described.Sha256(document), document);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
    }

    private async Task<byte[]> ReferrerAsync(string repository, Described subject, string artifactType)
    {
        var empty = await _raw.BlobAsync(repository, "{}"u8.ToArray(), "application/vnd.oci.empty.v1+json");
        var manifest = JsonNode.Parse(RawClient.Manifest(empty, empty))!;
        manifest["artifactType"] = artifactType;
        manifest["subject"] = subject.ToJson();
        manifest["annotations"] = new JsonObject { ["test"] = "yes" };
        var bytes = OciLayout.Bytes(manifest);
        using var pushed = await _raw.PushManifestAsync(repository, Described.Sha256(bytes), bytes);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        Assert.Equal(subject.Digest, pushed.Headers.GetValues("OCI-Subject").Single());
        return bytes;
    }

    /// <summary>Follows the links to the end.</summary>
    private async Task<string[][]> PagesAsync(string target, string list)
    {
        var pages = new List<string[]>();
        for (var next = target; next is not null;)
        {
            using var answer = await _raw.GetAsync(next);
            await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
            pages.Add(
                [.. JsonNode.Parse(await answer.Content.ReadAsStringAsync())![list]!.AsArray().Select(item => item!.GetValue<string>())]);
            next = null;
            if (answer.Headers.TryGetValues("Link", out var links))
            {
                var link = links.Single();
                Assert.StartsWith("</v2/", link, StringComparison.Ordinal);
                Assert.EndsWith(">; rel=\"next\"", link, StringComparison.Ordinal);
                next = link[1..link.IndexOf('>', StringComparison.Ordinal)];
            }
            Assert.True(pages.Count < 1000, "expected fewer than 1000 pages; the links do not end");
        }
        return [.. pages];
    }
}
