using System.Text;
using Scripted;
using Xunit;

namespace Gateway.Oci.Tests.ClientView;

/// <summary>
/// Real clients check the reader: they interpret every accepted document in the same way. Each random document names content of its own,
/// and other content exists that only another reading would find. The accepted documents are stored in a registry, and a client copies
/// them with everything below them. It must request what the reader found: no more, no less.
/// </summary>
public sealed class ClientViewTests : IAsyncLifetime
{
    // A third of them is accepted, and one process of a client reads all of these.
    private const int Documents = 150;

    private ScriptedUpstream _from = null!;
    private ScriptedUpstream _to = null!;

    /// <summary>Each client with each kind of document, once, or <c>GATEWAY_VIEW_SEEDS</c> times.</summary>
    public static TheoryData<string, string, int> Runs
    {
        get
        {
            var runs = new TheoryData<string, string, int>();
            foreach (var client in (string[])["crane", "oras", "skopeo"])
            {
                foreach (var kind in (string[])["image", "artifact", "index"])
                {
                    for (var seed = 1; seed <= (Seeds ?? 1); seed++) runs.Add(client, kind, seed);
                }
            }
            return runs;
        }
    }

    private static int? Seeds => int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_VIEW_SEEDS"), out var seeds) ? seeds : null;

    public async ValueTask InitializeAsync() => (_from, _to) = (await ScriptedUpstream.StartAsync(), await ScriptedUpstream.StartAsync());

    public async ValueTask DisposeAsync()
    {
        await _from.DisposeAsync();
        await _to.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public async Task Accepted_document_is_read_the_same_by_every_client(string name, string kind, int seed)
    {
        using var client = new RealClient(name);
        ChanceDocuments content = kind switch
        {
            "image" => new ImageDocuments(seed),
            "artifact" => new ArtifactDocuments(seed),
            _ => new IndexDocuments(seed, client.IsFlat),
        };
        var view = new OurView(content, client.FollowsSubjects);
        // Each once: the same bytes under two types would be served as one of them.
        var written = Enumerable.Range(0, Documents).Select(content.Write).DistinctBy(document => document.Digest).ToList();
        var accepted = written.Where(document => view.Of(document) is not null).ToList();
        Assert.InRange(accepted.Count, Documents / 6, Documents * 5 / 6);
        foreach (var blob in content.Blobs.Values) _from.AddBlob("view", blob);
        foreach (var document in content.Manifests.Values.Concat(written))
            _from.AddManifest("view", document.Bytes, document.Type, document.Tag);

        // A client that does not accept an index in an index gets each by itself.
        if (client.IsFlat && kind == "index")
        {
            foreach (var document in accepted) await client.MustCopyAsync(_from, _to, document.Tag);
        }
        else
        {
            _from.AddManifest("view", IndexOf(accepted), MediaTypes.OciIndex, "all");
            await client.MustCopyAsync(_from, _to, "all");
        }

        var expected = accepted.SelectMany(document => view.Of(document)!).ToHashSet();
        var asked = Asked();
        Assert.True(asked.IsSubsetOf(expected), Told("it reads what we do not see", asked.Except(expected)));
        var mustAsk = expected.Except(content.Inline);
        Assert.True(asked.IsSupersetOf(mustAsk), Told("it does not read what we see", mustAsk.Except(asked)));

        string Told(string what, IEnumerable<string> which) => $"{what}: {string.Join('\n', which.Select(content.Show))}";
        if (Seeds is not null) await CountRefusedAsync(client, content, written.Except(accepted));
    }

    // A client can read refused documents: longer runs only count how many, and how many of these mislead it.
    private async Task CountRefusedAsync(RealClient client, ChanceDocuments content, IEnumerable<Written> refused)
    {
        var asked = new List<HashSet<string>>();
        foreach (var document in refused.Take(20))
        {
            var before = _from.Requests.Count;
            await client.CopyAsync(_from, _to, document.Tag);
            asked.Add(Asked(before));
        }
        var read = asked.Count(static all => all.Count > 1);
        var misled = asked.Count(all => all.Any(what => content.Show(what).Contains("evil", StringComparison.Ordinal)));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"of {asked.Count} refused documents the client reads {read}, and {misled} of these mislead it");
    }

    private HashSet<string> Asked(int after = 0) =>
    [
        .. _from.Requests.Skip(after).Where(r => r is { IsGet: true, Name: "view" } && r.Reference != "all")
            .Select(r => $"{(r.IsAnyBlob ? "blobs" : "manifests")} {_from.DigestOfTag("view", r.Reference) ?? r.Reference}"),
    ];

    private static byte[] IndexOf(IEnumerable<Written> documents)
    {
        var children = documents.Select((document, i) => $$$"""
            {"mediaType":"{{{document.Type}}}","digest":"{{{document.Digest}}}","size":{{{document.Bytes.Length}}},
             "platform":{"os":"linux","architecture":"a{{{i}}}"}}
            """);
        return Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{string.Join(',', children)}}]}""");
    }
}
