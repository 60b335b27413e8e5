using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Manifests on their way to an upstream, what they refer to, and what is deleted there.</summary>
public sealed class ManifestWriteTests : WriterTest
{
    private static readonly Digest Subject = Digest.Of("subject"u8);
    private static readonly string Fallback = ReferrersTag.NameFor(Subject).Value;

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
    public async Task A_manifest_arrives_byte_for_byte_under_its_tag_and_once()
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
    public async Task A_tag_that_is_bound_to_something_else_is_moved()
    {
        var writer = await WriterAsync();
        await PutAsync(writer, Artifact(note: "old"), "v1");
        var artifact = Artifact(note: "new");
        await PutAsync(writer, artifact, "v1");
        Assert.Equal(artifact.Digest.ToString(), Hub.DigestOfTag(App, "v1"));
    }

    [Fact]
    public async Task An_upstream_that_takes_note_of_a_subject_needs_no_tag_for_it()
    {
        await PutAsync(await WriterAsync(), Artifact(Subject));
        Assert.Equal("HEAD PUT", Asked());
        Hub.When(r => r.Method == "PUT").Header("OCI-Subject", null);
        await PutAsync(await WriterAsync(), Artifact(Subject, "not said, and listed"));
        Assert.Null(Hub.DigestOfTag(App, Fallback));
    }

    [Fact]
    public async Task Without_a_referrers_API_it_is_listed_under_the_fallback_tag_as_clients_do()
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
    public async Task Many_at_once_lose_no_entry_to_each_other()
    {
        Hub.HasReferrersApi = false;
        var upstream = await BuildAsync();
        var artifacts = Enumerable.Range(0, 16).Select(i => Artifact(Subject, $"{i}")).ToArray();
        await Task.WhenAll(artifacts.Select(artifact => PutAsync(WriterFor(upstream), artifact)));
        Assert.Equal(artifacts.Select(a => a.Digest.ToString()).Order(), Listed().Select(entry => (string?)entry["digest"]).Order());
    }

    [Fact]
    public async Task A_list_that_somebody_else_overwrote_is_written_again()
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
    public async Task A_fallback_tag_that_is_no_list_is_left_alone(string content)
    {
        Hub.HasReferrersApi = false;
        Hub.AddManifest(App, Encoding.UTF8.GetBytes(content), MediaTypes.OciIndex, Fallback);
        var failure = await PutFailsAsync(await WriterAsync(), Artifact(Subject));
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains($"{Fallback} of {App} is invalid: expected an image index", failure.Message, StringComparison.Ordinal);
        Assert.Equal(content, Encoding.UTF8.GetString(Hub.ManifestOf(App, Fallback)!.Value.Bytes));
    }

    [Fact]
    public async Task A_manifest_that_the_upstream_does_not_take_is_told_in_its_words()
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
    public async Task Another_digest_than_was_sent_is_no_success()
    {
        Hub.When(r => r.Method == "PUT").ClaimDigest(Subject.ToString());
        Assert.Equal(UpstreamFailure.Misbehaving, (await PutFailsAsync(await WriterAsync(), Artifact(), "v1")).Failure);
    }

    [Fact]
    public async Task A_202_is_believed_when_the_tag_shows_it()
    {
        Hub.When(r => r.Method == "PUT").Respond(202).Once();
        var failure = await PutFailsAsync(await WriterAsync(), Artifact(), "v1");
        Assert.Equal((UpstreamFailure.Misbehaving, 202), (failure.Failure, failure.Status));
    }

    [Fact]
    public async Task A_lost_answer_is_found_out_by_asking_again()
    {
        Hub.When(r => r.Method == "PUT").LoseAnswer().Once();
        var writer = await WriterAsync();
        Assert.Equal(UpstreamFailure.Unavailable, (await PutFailsAsync(writer, Artifact(), "v1")).Failure);
        await PutAsync(writer, Artifact(), "v1");
        Assert.Equal("HEAD PUT HEAD", Asked());
    }

    [Fact]
    public async Task Tags_manifests_and_blobs_are_deleted_and_what_is_not_there_is_no_failure()
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
    public async Task Where_nothing_may_be_deleted_the_upstream_says_so()
    {
        Hub.AllowsDelete = false;
        var writer = await WriterAsync();
        var failure = await Assert.ThrowsAsync<UpstreamException>(() => writer.DeleteAsync(UpstreamNoun.Manifest, "v1", default));
        Assert.Equal((UpstreamFailure.Refused, 405, "UNSUPPORTED"), (failure.Failure, failure.Status, failure.Error?.Code));
    }

    [Fact]
    public async Task Deleting_asks_for_the_rights_that_the_upstream_names_and_no_others()
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
    public void The_scope_to_delete_is_the_challenges_own_within_bounds(string said, string expected)
    {
        var challenge = Assert.Single(Challenge.Parse([$"Bearer realm=\"http://x\",scope=\"{said}\""]));
        var request = new UpstreamRequest(HttpMethod.Delete, UpstreamNoun.Manifest, RepositoryName.Parse(App), "v1");
        Assert.Equal($"repository:{App}:{expected}", TokenScope.Of(request, challenge));
        Assert.Equal($"repository:{App}:pull", TokenScope.Of(request with { Method = HttpMethod.Get }, challenge, App));
        Assert.Equal($"repository:{App}:pull,push", TokenScope.Of(request with { Method = HttpMethod.Put }, challenge));
    }
}
