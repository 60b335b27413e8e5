using Gateway.Oci;
using Gateway.Storage;
using Gateway.Tests.Operations;
using Gateway.Transport;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The memory for documents of upstreams, which a process has once.</summary>
[Collection(ProcessWide.Name)]
public sealed class UpstreamDocumentTests
{
    [Fact]
    public async Task Upstream_is_not_blamed_while_the_gateway_has_no_memory_for_another_document()
    {
        await using var rig = await Rig.StartAsync();
        var digests = Enumerable.Range(0, 4)
            .Select(i => rig.Hub.AddImage(Rig.Name, null, ScriptedUpstream.Bytes(10 + i, seed: i)).Digest).ToArray();
        using (var receipt = DocumentBudget.OfProcess.Receive("all upstreams"))
        {
            receipt.Take(DocumentBudget.OfProcess.Share);
            foreach (var digest in digests)
            {
                var no = Assert.IsType<Result<StoredManifest>.Unavailable>(await rig.Backing.ReadManifestAsync(Rig.D(digest), default));
                Check(no.Why);
            }
            rig.Hub.When(r => r.IsReferrers).Respond(200, """{"schemaVersion":2,"manifests":[]}""", MediaTypes.OciIndex);
            rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["a"]}""");
            var referrers = await rig.Backing.ReferrersAsync(Rig.D(digests[0]), default);
            Check(Assert.IsType<Result<IReadOnlyList<Descriptor>>.Unavailable>(referrers).Why);
            Check(Assert.IsType<Result<Page<TagName>>.Unavailable>(await rig.Backing.TagsAfterAsync(null, 10, default)).Why);
        }
        // At once, as no breaker is open.
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, RepositoryName.Parse(Rig.Name), digests[0]);
        await using var response = await rig.Registry.SendAsync(request, default);
        Assert.Equal(200, response.Status);

        static void Check(string why)
        {
            Assert.Contains("too many documents are being received", why, StringComparison.Ordinal);
            Assert.DoesNotContain("cut", why, StringComparison.Ordinal);
        }
    }
}
