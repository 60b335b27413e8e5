using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Threading.Channels;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>kill -9 at random moments of concurrent pushes: acknowledged content is present, and nothing partial is served.</summary>
public sealed class KillTests
{
    private const int Kills = 32;
    private const int Pushers = 4;

    // Chosen: about eight images of three acknowledged answers each; and about the time between two answers.
    private const int MaxAnswers = 24;
    private const int MaxMilliseconds = 40;

    /// <summary>
    /// Limit of the wait for a start without help. Benchmarks measure the start; this only ends a wait that would never end.
    /// </summary>
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_nothing_partial_is_served()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("BLACKBOX_SEED"), out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"BLACKBOX_SEED={seed}");
        var random = new Random(seed);
        var ledger = new PushLedger();
        using var folder = new TempFolder();
        await using var gateway = await GatewayProcess.StartAsync(storage: folder["volume"]);

        for (var kill = 0; kill < Kills; kill++)
        {
            await PushUntilKilledAsync(gateway, ledger, random);
            await gateway.StartAgainAsync(ReadyWithin);
            await ledger.VerifyAsync(gateway.Host, since: kill);
            ledger.NextRound();
        }
        await ledger.VerifyAsync(gateway.Host, since: 0);
        Assert.True(ledger.Acknowledged > Kills, $"expected more than {Kills} acknowledged pushes, got {ledger.Acknowledged}");

        await gateway.Server.KillAsync();
        await using var theirs = await DockerRegistry.StartAsync(folder["volume"]);
        await ledger.VerifyAsync(theirs.Host, since: 0);
    }

    private static async Task PushUntilKilledAsync(GatewayProcess gateway, PushLedger ledger, Random random)
    {
        // Kills depend on the number of answers, not only on time, so that slow machines also get early, late and intermediate kills.
        var (answers, moment) = (random.Next(MaxAnswers), random.Next(MaxMilliseconds));
        var pushers = Task.WhenAll(
            Enumerable.Range(0, Pushers).Select(n => PushForeverAsync(gateway.Host, ledger, $"team/app{n}", random.Next())).ToArray());
        await Task.WhenAny(ledger.AcknowledgedInRoundAsync(answers), pushers);
        await Task.Delay(moment); // the random moment, not a wait for a condition
        await gateway.Server.KillAsync();
        await pushers;
    }

    /// <summary>Pushes images of random form until the connection is gone.</summary>
    private static async Task PushForeverAsync(string host, PushLedger ledger, string repository, int seed)
    {
        var random = new Random(seed);
        using var raw = new RawClient(host);
        try
        {
            while (true)
                await PushOneAsync(raw, ledger, repository, random);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // The kill closed the connection.
        }
    }

    private static async Task PushOneAsync(RawClient raw, PushLedger ledger, string repository, Random random)
    {
        var config = "{}"u8.ToArray();
        var layer = OciLayout.Noise(random.Next(), random.Next(1, 200_000));
        foreach (var blob in (byte[][])[config, layer])
        {
            var digest = Described.Sha256(blob);
            ledger.Tried(repository, digest);
            using var pushed = random.Next(2) == 0
                ? await raw.PushBlobAsync(repository, blob)
                : await PushInChunksAsync(raw, repository, blob, random);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
            ledger.BlobAcknowledged(repository, digest);
        }

        var manifest = RawClient.Manifest(Described.Of(config, OciLayout.ImageConfig), Described.Of(layer, OciLayout.GzipLayer));
        var manifestDigest = Described.Sha256(manifest);
        foreach (var tag in (string[])[$"v{random.Next():x}", "moving"])
        {
            ledger.TagTried(repository, tag, manifestDigest);
            using var pushed = await raw.PushManifestAsync(repository, tag, manifest);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
            ledger.TagAcknowledged(repository, tag, manifestDigest);
        }
    }

    private static async Task<HttpResponseMessage> PushInChunksAsync(RawClient raw, string repository, byte[] blob, Random random)
    {
        var location = await raw.OpenUploadAsync(repository);
        for (var from = 0; from < blob.Length;)
        {
            var length = Math.Min(blob.Length - from, random.Next(1, 80_000));
            using var accepted = await raw.SendAsync(HttpMethod.Patch, location, RawClient.Chunk(blob[from..(from + length)], from));
            await RawClient.ExpectAsync(accepted, HttpStatusCode.Accepted);
            location = accepted.Headers.Location!.OriginalString;
            from += length;
        }
        return await raw.SendAsync(HttpMethod.Put, RawClient.WithDigest(location, Described.Sha256(blob)), RawClient.Body([]));
    }

    /// <summary>What was pushed and what was acknowledged, by round.</summary>
    private sealed class PushLedger
    {
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
            using var answer = await raw.GetAsync($"/v2/{repository}/blobs/{digest}");
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
            using var answer = await raw.GetAsync($"/v2/{repository}/manifests/{tag}", ("Accept", OciLayout.ImageManifest));
            var acknowledged = _tags.TryGetValue((repository, tag), out var last);
            if (answer.StatusCode == HttpStatusCode.NotFound && !acknowledged)
                return;
            Assert.True(
                answer.StatusCode == HttpStatusCode.OK, $"tag {repository}:{tag} of round {round} is answered {(int)answer.StatusCode}");
            var manifest = await answer.Content.ReadAsByteArrayAsync();
            string[] allowed = acknowledged ? [.. tried, last.Digest] : [.. tried];
            Assert.Contains(Described.Sha256(manifest), allowed);
            var layer = System.Text.Json.Nodes.JsonNode.Parse(manifest)!["layers"]![0]!["digest"]!.GetValue<string>();
            await VerifyBlobAsync(raw, repository, layer, mustBeThere: true, round);
        }
    }
}
