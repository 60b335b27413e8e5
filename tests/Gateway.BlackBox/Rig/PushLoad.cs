using System.Net;

namespace Gateway.BlackBox.Rig;

/// <summary>Clients that push images of random form, and note in a ledger what was acknowledged.</summary>
internal static class PushLoad
{
    /// <summary>Pushes images of random form until the connection is gone.</summary>
    public static async Task RunAsync(string host, PushLedger ledger, string repository, int seed)
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

    /// <summary>
    /// Pushes images of random form to a registry parts of which are killed, until it is told to stop. A push that is answered with 500 or
    /// more, or not at all, is not acknowledged, and another one begins.
    /// </summary>
    public static async Task RunAsync(string host, PushLedger ledger, string repository, int seed, CancellationToken stop)
    {
        var random = new Random(seed);
        using var raw = new RawClient(host);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await PushOneAsync(raw, ledger, repository, random);
            }
            catch (Exception e) when (e is HttpRequestException or IOException || IsOutage(e))
            {
                // The client of a load balancer pushes again.
            }
        }
    }

    private static bool IsOutage(Exception e) =>
        e is Xunit.Sdk.XunitException && e.Message.Contains(", got 50", StringComparison.Ordinal);

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

    public static async Task<HttpResponseMessage> PushInChunksAsync(RawClient raw, string repository, byte[] blob, Random random)
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
}
