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
                Assert.Contains("too many documents are being received", no.Why, StringComparison.Ordinal);
                Assert.DoesNotContain("cut", no.Why, StringComparison.Ordinal);
            }
        }
        // At once, as no breaker is open.
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, RepositoryName.Parse(Rig.Name), digests[0]);
        await using var response = await rig.Registry.SendAsync(request, default);
        Assert.Equal(200, response.Status);
    }
}
