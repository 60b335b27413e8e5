using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Gateway.BlackBox.Rig;

/// <summary>What was pushed and what was acknowledged, by round.</summary>
internal sealed class PushLedger
{
    /// <summary>What a gateway says of a store that a stalled machine keeps from answering.</summary>
    private const string Late = "the bucket of this registry did not answer in time";

    private readonly ConcurrentDictionary<(string Repository, string Digest), int> _blobs = [];
    private readonly ConcurrentDictionary<(string Repository, string Digest), int> _tried = [];
    private readonly ConcurrentDictionary<(string Repository, string Tag), (string Digest, int Round)> _tags = [];
    private readonly ConcurrentDictionary<(string Repository, string Tag), (ImmutableArray<string> Digests, int Round)> _tagsTried = [];
    private Channel<bool> _answers = Channel.CreateUnbounded<bool>();
    private int _round;

    public int Acknowledged => _blobs.Count + _tags.Count;

    public void NextRound()
    {
        _round++;
        _answers = Channel.CreateUnbounded<bool>();
    }

    public async Task AcknowledgedInRoundAsync(int count)
    {
        var answers = _answers;
        while (count-- > 0) await answers.Reader.ReadAsync();
    }

    public void Tried(string repository, string digest) => _tried[(repository, digest)] = _round;

    public void BlobAcknowledged(string repository, string digest)
    {
        _blobs[(repository, digest)] = _round;
        _answers.Writer.TryWrite(true);
    }

    public void TagTried(string repository, string tag, string digest) => _tagsTried.AddOrUpdate(
        (repository, tag), _ => ([digest], _round), (_, earlier) => (earlier.Digests.Add(digest), _round));

    public void TagAcknowledged(string repository, string tag, string digest)
    {
        _tags[(repository, tag)] = (digest, _round);
        _tagsTried[(repository, tag)] = ([], _round);
        _answers.Writer.TryWrite(true);
    }

    public async Task VerifyAsync(string host, int since)
    {
        using var raw = new RawClient(host);
        foreach (var ((repository, digest), round) in _tried.Where(tried => tried.Value >= since))
            await VerifyBlobAsync(raw, repository, digest, mustBeThere: _blobs.ContainsKey((repository, digest)), round);
        foreach (var ((repository, tag), (tried, round)) in _tagsTried.Where(tried => tried.Value.Round >= since))
            await VerifyTagAsync(raw, repository, tag, tried, round);
    }

    private static async Task VerifyBlobAsync(RawClient raw, string repository, string digest, bool mustBeThere, int round)
    {
        using var answer = await RawClient.SettledAsync(() => raw.GetAsync($"/v2/{repository}/blobs/{digest}"), Late);
        if (answer.StatusCode == HttpStatusCode.NotFound && !mustBeThere)
            return;
        Assert.True(
            answer.StatusCode == HttpStatusCode.OK,
            $"blob {repository}@{digest} of round {round} is answered {(int)answer.StatusCode}");
        Assert.Equal(digest, Described.Sha256(await answer.Content.ReadAsByteArrayAsync()));
    }

    /// <summary>
    /// Asserts that a tag is bound to its last acknowledged image, or to that of a push that was cut off since. Its image is complete.
    /// </summary>
    private async Task VerifyTagAsync(RawClient raw, string repository, string tag, ImmutableArray<string> tried, int round)
    {
        using var answer = await RawClient.SettledAsync(
            () => raw.GetAsync($"/v2/{repository}/manifests/{tag}", ("Accept", OciLayout.ImageManifest)), Late);
        var acknowledged = _tags.TryGetValue((repository, tag), out var last);
        if (answer.StatusCode == HttpStatusCode.NotFound && !acknowledged)
            return;
        Assert.True(
            answer.StatusCode == HttpStatusCode.OK, $"tag {repository}:{tag} of round {round} is answered {(int)answer.StatusCode}");
        var manifest = await answer.Content.ReadAsByteArrayAsync();
        string[] allowed = acknowledged ? [.. tried, last.Digest] : [.. tried];
        Assert.Contains(Described.Sha256(manifest), allowed);
        var layer = JsonNode.Parse(manifest)!["layers"]![0]!["digest"]!.GetValue<string>();
        await VerifyBlobAsync(raw, repository, layer, mustBeThere: true, round);
    }
}
