using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Writes of manifests and referrers to an upstream, and deletions there.</summary>
public sealed class ManifestWriteTests : WriterTest
{
    private static readonly Digest Subject = Digest.Of("subject"u8);
    private static readonly string Fallback = EvidenceTag.BareOf(Subject).Value;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Hub.AddBlob(App, "{}"u8.ToArray());
    }

    private static Task PutAsync(UpstreamWriter writer, (Digest Digest, byte[] Bytes, Manifest Manifest) artifact, string? tag = null) =>
        writer.PutManifestAsync(
            tag is null ? new(artifact.Digest) : new(TagName.Parse(tag)), artifact.Digest, artifact.Manifest, artifact.Bytes, default);

    private static Task<UpstreamException> PutFailsAsync(
        UpstreamWriter writer, (Digest Digest, byte[] Bytes, Manifest Manifest) artifact, string? tag = null) =>
        Assert.ThrowsAsync<UpstreamException>(() => PutAsync(writer, artifact, tag));

    private JsonObject[] Listed() =>
        [.. JsonNode.Parse(Hub.ManifestOf(App, Fallback)!.Value.Bytes)!["manifests"]!.AsArray().Select(entry => entry!.AsObject())];

    [Fact]
    public async Task Manifest_is_stored_unchanged_under_its_tag_and_sent_once()
    {
        var artifact = Artifact();
        var writer = await WriterAsync();
        await PutAsync(writer, artifact, "v1");
        Assert.Equal(artifact.Digest.ToString(), Hub.DigestOfTag(App, "v1"));
        var (bytes, mediaType) = Hub.ManifestOf(App, "v1")!.Value;
        Assert.Equal(artifact.Bytes, bytes);
        Assert.Equal(MediaTypes.OciManifest, mediaType);
        await PutAsync(writer, artifact, "v1");
        await PutAsync(writer, artifact);
        Assert.Equal("HEAD PUT HEAD HEAD", Asked());
    }

    [Fact]
    public async Task Tag_that_is_bound_to_another_digest_is_moved()
    {
        var writer = await WriterAsync();
        await PutAsync(writer, Artifact(note: "old"), "v1");
        var artifact = Artifact(note: "new");
        await PutAsync(writer, artifact, "v1");
        Assert.Equal(artifact.Digest.ToString(), Hub.DigestOfTag(App, "v1"));
    }

    [Fact]
    public async Task Upstream_that_states_the_subject_gets_no_fallback_tag()
    {
        await PutAsync(await WriterAsync(), Artifact(Subject));
        Assert.Equal("HEAD PUT", Asked());
        Hub.When(r => r.Method == "PUT").Header("OCI-Subject", null);
        await PutAsync(await WriterAsync(), Artifact(Subject, "not said, and listed"));
        Assert.Null(Hub.DigestOfTag(App, Fallback));
    }

    [Fact]
    public async Task Referrer_is_listed_under_the_fallback_tag_if_the_upstream_has_no_referrers_API()
    {
        Hub.HasReferrersApi = false;
        var (first, second) = (Artifact(Subject, "first"), Artifact(Subject, "second"));
        var writer = await WriterAsync();
        await PutAsync(writer, first);
        await PutAsync(writer, second);
        await PutAsync(writer, second);
        Assert.Equal(MediaTypes.OciIndex, Hub.ManifestOf(App, Fallback)!.Value.MediaType);
        Assert.Equal([first.Digest.ToString(), second.Digest.ToString()], Listed().Select(entry => (string?)entry["digest"]));
        var entry = Listed()[0];
        Assert.Equal("application/vnd.example.note", (string?)entry["artifactType"]);
        Assert.Equal((first.Bytes.Length, MediaTypes.OciManifest), ((int)entry["size"]!, (string?)entry["mediaType"]));
        Assert.Equal("first", (string?)entry["annotations"]!["note"]);
        Assert.Equal(2, Hub.Count(r => r.Method == "PUT" && r.IsManifest(Fallback)));
    }

    [Fact]
    public async Task Concurrent_writers_lose_no_entry_of_the_fallback_tag()
    {
        Hub.HasReferrersApi = false;
        var upstream = await BuildAsync();
        var artifacts = Enumerable.Range(0, 16).Select(i => Artifact(Subject, $"{i}")).ToArray();
        await Task.WhenAll(artifacts.Select(artifact => PutAsync(WriterFor(upstream), artifact)));
        Assert.Equal(artifacts.Select(a => a.Digest.ToString()).Order(), Listed().Select(entry => (string?)entry["digest"]).Order());
    }

    [Fact]
    public async Task List_that_another_client_overwrote_is_written_again()
    {
        Hub.HasReferrersApi = false;
        Hub.When(r => r.Method == "PUT" && r.IsManifest(Fallback)).Respond(201).Once();
        var artifact = Artifact(Subject);
        await PutAsync(await WriterAsync(), artifact);
        Assert.Equal(artifact.Digest.ToString(), (string?)Assert.Single(Listed())["digest"]);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("no JSON")]
    [InlineData("""{"manifests":{}}""")]
    [InlineData("""{"manifests":[],"manifests":[]}""")]
    public async Task Fallback_tag_that_is_not_an_index_is_not_overwritten(string content)
    {
        Hub.HasReferrersApi = false;
        Hub.AddManifest(App, Encoding.UTF8.GetBytes(content), MediaTypes.OciIndex, Fallback);
        var failure = await PutFailsAsync(await WriterAsync(), Artifact(Subject));
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains($"{Fallback} of {App} is invalid: expected an image index", failure.Message, StringComparison.Ordinal);
        Assert.Equal(content, Encoding.UTF8.GetString(Hub.ManifestOf(App, Fallback)!.Value.Bytes));
    }

    [Fact]
    public async Task Refused_manifest_reports_the_upstreams_error()
    {
        Hub.Remove(App, Digest.Of("{}"u8).ToString());
        var failure = await PutFailsAsync(await WriterAsync(), Artifact(), "v1");
        Assert.Equal((UpstreamFailure.Refused, 400, "MANIFEST_BLOB_UNKNOWN"), (failure.Failure, failure.Status, failure.Error?.Code));
        Assert.StartsWith(
            $"upstream hub: {Hub.Url.Authority} answered 400 to PUT manifest v1 of {App}: MANIFEST_BLOB_UNKNOWN \"",
            failure.Message,
            StringComparison.Ordinal);
        Assert.Equal(1, Hub.Count(r => r.Method == "PUT"));
    }

    [Fact]
    public async Task Response_with_another_digest_than_sent_is_misbehaving()
    {
        Hub.When(r => r.Method == "PUT").ClaimDigest(Subject.ToString());
        Assert.Equal(UpstreamFailure.Misbehaving, (await PutFailsAsync(await WriterAsync(), Artifact(), "v1")).Failure);
    }

    [Fact]
    public async Task Answer_202_succeeds_only_if_the_tag_has_the_digest()
    {
        Hub.When(r => r.Method == "PUT").Respond(202).Once();
        var failure = await PutFailsAsync(await WriterAsync(), Artifact(), "v1");
        Assert.Equal((UpstreamFailure.Misbehaving, 202), (failure.Failure, failure.Status));
    }

    [Fact]
    public async Task Repeated_write_after_a_lost_response_succeeds()
    {
        Hub.When(r => r.Method == "PUT").LoseAnswer().Once();
        var writer = await WriterAsync();
        Assert.Equal(UpstreamFailure.Unavailable, (await PutFailsAsync(writer, Artifact(), "v1")).Failure);
        await PutAsync(writer, Artifact(), "v1");
        Assert.Equal("HEAD PUT HEAD", Asked());
    }

    [Fact]
    public async Task Deletion_of_missing_content_returns_false()
    {
        var artifact = Artifact();
        var writer = await WriterAsync();
        await PutAsync(writer, artifact, "v1");
        var reference = artifact.Digest.ToString();
        Assert.True(await writer.DeleteAsync(UpstreamNoun.Manifest, "v1", default));
        Assert.NotNull(Hub.ManifestOf(App, reference));
        Assert.True(await writer.DeleteAsync(UpstreamNoun.Manifest, reference, default));
        Assert.True(await writer.DeleteAsync(UpstreamNoun.Blob, Digest.Of("{}"u8).ToString(), default));
        Assert.False(await writer.DeleteAsync(UpstreamNoun.Manifest, "v1", default));
        Assert.False(await writer.DeleteAsync(UpstreamNoun.Manifest, reference, default));
        Assert.False(await writer.DeleteAsync(UpstreamNoun.Blob, Digest.Of("{}"u8).ToString(), default));
    }

    [Fact]
    public async Task Refused_deletion_reports_the_status()
    {
        Hub.AllowsDelete = false;
        var writer = await WriterAsync();
        var failure = await Assert.ThrowsAsync<UpstreamException>(() => writer.DeleteAsync(UpstreamNoun.Manifest, "v1", default));
        Assert.Equal((UpstreamFailure.Refused, 405, "UNSUPPORTED"), (failure.Failure, failure.Status, failure.Error?.Code));
    }

    [Fact]
    public async Task Deletion_requests_only_the_actions_of_the_upstreams_challenge()
    {
        Hub.RequireToken();
        var writer = await WriterAsync();
        await PutAsync(writer, Artifact(), "v1");
        Assert.True(await writer.DeleteAsync(UpstreamNoun.Manifest, "v1", default));
        var asked = Uri.UnescapeDataString(Hub.Requests.Last(r => r.IsToken).Query);
        Assert.EndsWith($"scope=repository:{App}:delete", asked, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("repository:team/app:pull,push", "pull,push")]
    [InlineData("repository:team/app:*", "*")]
    [InlineData("registry:catalog:* repository:team/app:delete,admin", "delete")]
    [InlineData("repository:other:delete", "pull,push,delete")]
    [InlineData("", "pull,push,delete")]
    public void Scope_of_a_deletion_has_only_known_actions_of_the_challenge(string said, string expected)
    {
        var challenge = Assert.Single(Challenge.Parse([$"Bearer realm=\"http://x\",scope=\"{said}\""]));
        var request = new UpstreamRequest(HttpMethod.Delete, UpstreamNoun.Manifest, RepositoryName.Parse(App), "v1");
        Assert.Equal($"repository:{App}:{expected}", TokenScope.Of(request, challenge));
        Assert.Equal($"repository:{App}:pull", TokenScope.Of(request with { Method = HttpMethod.Get }, challenge, App));
        Assert.Equal($"repository:{App}:pull,push", TokenScope.Of(request with { Method = HttpMethod.Put }, challenge));
    }
}
