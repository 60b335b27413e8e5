using System.Net;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Collection;

/// <summary>
/// Two tags of a repository that one client at a time works on, with the digests to which they must be bound. Its manifests name blobs of a
/// pool that all slots share, and come back after they were deleted.
/// </summary>
internal sealed class CollectedSlot(string repository, int number, IReadOnlyList<byte[]> pool, TimeSpan grace)
{
    private readonly string[] _tags = [$"s{number}-a", $"s{number}-b"];
    private readonly string?[] _bound = new string?[2];

    /// <summary>Held by the client that works on it.</summary>
    public SemaphoreSlim Turn { get; } = new(1);

    /// <summary>Does one random operation. Throws when a connection fails; then <see cref="LearnAsync"/> must follow.</summary>
    public async Task WorkAsync(RawClient raw, string otherRepository, Random random)
    {
        var tag = random.Next(2);
        switch (random.Next(10))
        {
            case < 5:
                await PushAsync(raw, otherRepository, tag, random);
                break;
            case < 7 when _bound[tag] is { } bound:
                await RetagAsync(raw, bound, 1 - tag);
                break;
            case < 8 when _bound[tag] is not null:
                await DeleteAsync(raw, _tags[tag]);
                _bound[tag] = null;
                break;
            case < 9 when _bound[tag] is { } bound:
                await DeleteAsync(raw, bound);
                for (var i = 0; i < 2; i++) _bound[i] = _bound[i] == bound ? null : _bound[i];
                break;
            default:
                await VerifyAsync(raw);
                break;
        }
    }

    private async Task DeleteAsync(RawClient raw, string reference)
    {
        using var answer = await raw.DeleteAsync($"/v2/{repository}/manifests/{reference}");
        await RawClient.ExpectAsync(answer, HttpStatusCode.Accepted);
    }

    private async Task PushAsync(RawClient raw, string other, int tag, Random random)
    {
        var began = TimeProvider.System.GetTimestamp();
        byte[][] blobs = [.. Enumerable.Range(0, 3).Select(_ => pool[random.Next(pool.Count)]).Distinct()];
        foreach (var blob in blobs) await PushBlobAsync(raw, other, blob, random);
        if (random.Next(3) == 0) await Task.Delay(random.Next(400)); // a client that takes its time
        var layers = blobs.Select(static blob => new Described("application/octet-stream", Described.Sha256(blob), blob.Length)).ToArray();
        var manifest = RawClient.Manifest(layers[0], layers[1..]);
        // Of this slot alone: a deletion concerns no other.
        var own = JsonNode.Parse(manifest)!.AsObject();
        own["annotations"] = new JsonObject { ["slot"] = $"{repository}/{number}" };
        manifest = OciLayout.Bytes(own);
        using var answer = await raw.PushManifestAsync(repository, _tags[tag], manifest);
        if (answer.StatusCode == HttpStatusCode.NotFound && TimeProvider.System.GetElapsedTime(began) >= grace) return;
        await RawClient.ExpectAsync(answer, HttpStatusCode.Created);
        _bound[tag] = Described.Sha256(manifest);
    }

    // As docker and crane do: look, mount, otherwise upload.
    private async Task PushBlobAsync(RawClient raw, string other, byte[] blob, Random random)
    {
        var digest = Described.Sha256(blob);
        using var found = await raw.HeadAsync($"/v2/{repository}/blobs/{digest}");
        if (found.StatusCode == HttpStatusCode.OK) return;
        await RawClient.ExpectAsync(found, HttpStatusCode.NotFound);
        if (random.Next(2) == 0)
        {
            using var mounted = await raw.SendAsync(HttpMethod.Post, $"/v2/{repository}/blobs/uploads/?mount={digest}&from={other}");
            if (mounted.StatusCode == HttpStatusCode.Created) return;
            await RawClient.ExpectAsync(mounted, HttpStatusCode.Accepted);
            (await raw.DeleteAsync(mounted.Headers.Location!.ToString())).Dispose();
        }
        using var pushed = await raw.PushBlobAsync(repository, blob);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
    }

    private async Task RetagAsync(RawClient raw, string digest, int to)
    {
        using var read = await raw.GetAsync($"/v2/{repository}/manifests/{digest}");
        await RawClient.ExpectAsync(read, HttpStatusCode.OK);
        using var answer = await raw.PushManifestAsync(repository, _tags[to], await read.Content.ReadAsByteArrayAsync());
        await RawClient.ExpectAsync(answer, HttpStatusCode.Created);
        _bound[to] = digest;
    }

    /// <summary>Reads what the tags are bound to: an operation that a kill cut off may have been done or not.</summary>
    public async Task LearnAsync(RawClient raw)
    {
        for (var i = 0; i < 2; i++)
        {
            using var answer = await raw.HeadAsync($"/v2/{repository}/manifests/{_tags[i]}");
            if (answer.StatusCode != HttpStatusCode.NotFound) answer.EnsureSuccessStatusCode();
            _bound[i] = answer.StatusCode == HttpStatusCode.NotFound ? null
                : answer.Headers.GetValues("Docker-Content-Digest").Single();
        }
    }

    /// <summary>Pulls what must be there, whole.</summary>
    public async Task VerifyAsync(RawClient raw)
    {
        for (var i = 0; i < 2; i++)
        {
            // Distribution answers 404 to a client that does not accept the type.
            using var answer = await raw.GetAsync($"/v2/{repository}/manifests/{_tags[i]}", ("Accept", OciLayout.ImageManifest));
            if (_bound[i] is not { } bound)
            {
                await RawClient.ExpectAsync(answer, HttpStatusCode.NotFound);
                continue;
            }
            await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
            var manifest = await answer.Content.ReadAsByteArrayAsync();
            Assert.Equal(bound, Described.Sha256(manifest));
            var document = JsonNode.Parse(manifest)!;
            foreach (var blob in document["layers"]!.AsArray().Append(document["config"]))
            {
                var digest = (string)blob!["digest"]!;
                using var content = await raw.GetAsync($"/v2/{repository}/blobs/{digest}");
                await RawClient.ExpectAsync(content, HttpStatusCode.OK);
                Assert.Equal(digest, Described.Sha256(await content.Content.ReadAsByteArrayAsync()));
            }
        }
    }
}
