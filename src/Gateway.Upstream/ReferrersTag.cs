using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// The list of a subject's referrers that clients keep under a tag where a registry has no referrers API (distribution-spec, "Referrers Tag
/// Schema"). It is read, changed and written back; the protocol has no way to do that at once, so two gateways may lose an entry to each
/// other in the same instant: each looks afterwards whether its own is there, and within one gateway writers take turns.
/// </summary>
public sealed class ReferrersTag(IUpstreamRegistry registry, RepositoryName name, TimeProvider clock)
{
    // What registries take for a manifest at least (distribution-spec, "Pushing Manifests").
    private const int LongestList = 4 * 1024 * 1024;

    // Chosen: 4 MiB by a slow line.
    private static readonly TimeSpan BodyTimeout = TimeSpan.FromSeconds(30);

    // Chosen: two tags that share a turn only wait for each other.
    private static readonly SemaphoreSlim[] Turns = [.. Enumerable.Range(0, 64).Select(_ => new SemaphoreSlim(1))];

    /// <summary>The tag: algorithm and digest, cut to what a tag may have.</summary>
    public static TagName NameFor(Digest subject) => TagName.Parse($"{subject.AlgorithmName}-{subject.Hex[..64]}");

    /// <summary>Makes the upstream list a referrer: nothing is written where its API does, or the tag has it.</summary>
    public async Task AddAsync(Digest subject, Descriptor referrer, CancellationToken cancellationToken)
    {
        if (await ListsAsync(subject, referrer.Digest, cancellationToken)) return;
        var turn = Turns[(uint)HashCode.Combine(registry.Options.Key, name, subject) % (uint)Turns.Length];
        await turn.WaitAsync(cancellationToken);
        try
        {
            var backoff = new Backoff(clock);
            for (var written = false; ; written = true)
            {
                var list = await ReadAsync(subject, cancellationToken);
                if (Find(list, referrer.Digest)) return;
                if (written && !backoff.MayRetry(0)) throw Misbehaves(subject, $"does not keep {referrer.Digest}: others overwrite it");
                if (written) await backoff.WaitAsync(null, cancellationToken);
                await WriteAsync(subject, list, referrer, cancellationToken);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Whether the API has it: a registry may take note of a subject and not say so.</summary>
    private async Task<bool> ListsAsync(Digest subject, Digest referrer, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Referrers, name, subject.ToString());
        try
        {
            await using var response = await registry.SendAsync(request, cancellationToken);
            return response.Status == 200 && Find(await ParseAsync(subject, response, cancellationToken), referrer);
        }
        catch (UpstreamException e) when (e.Failure is UpstreamFailure.Unauthorized or UpstreamFailure.Misbehaving)
        {
            // Registries without the API answer 401, or with a web page.
            return false;
        }
    }

    private async Task<JsonObject> ReadAsync(Digest subject, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, name, NameFor(subject).Value);
        await using var response = await registry.SendAsync(request, cancellationToken);
        return response.Status == 404
            ? new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = MediaTypes.OciIndex, ["manifests"] = new JsonArray() }
            : await ParseAsync(subject, response, cancellationToken);
    }

    private async Task WriteAsync(Digest subject, JsonObject list, Descriptor referrer, CancellationToken cancellationToken)
    {
        ((JsonArray)list["manifests"]!).Add(Write(referrer));
        var bytes = JsonSerializer.SerializeToUtf8Bytes(list);
        if (bytes.Length > LongestList) throw Misbehaves(subject, $"is full: with {referrer.Digest} it has over {LongestList} bytes");
        var request = new UpstreamRequest(HttpMethod.Put, UpstreamNoun.Manifest, name, NameFor(subject).Value)
        {
            Body = UpstreamBody.Of(MediaTypes.OciIndex, bytes),
        };
        await using var response = await registry.SendAsync(request, cancellationToken);
    }

    /// <summary>An index, of which no more is read than where its entries are: what others wrote beside them stays.</summary>
    private async Task<JsonObject> ParseAsync(Digest subject, UpstreamResponse response, CancellationToken cancellationToken)
    {
        var bytes = await ReadAsync(response, cancellationToken) ?? throw Misbehaves(subject, $"has over {LongestList} bytes");
        try
        {
            if (JsonNode.Parse(bytes) is JsonObject { } list && list["manifests"] is null or JsonArray)
            {
                list["manifests"] ??= new JsonArray();
                return list;
            }
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            // Said below.
        }
        throw Misbehaves(subject, "is no index");
    }

    private async Task<byte[]?> ReadAsync(UpstreamResponse response, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(BodyTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            var bytes = await BoundedBody.ReadAsync(response.Body, LongestList, either.Token);
            return bytes is null ? null : await ContentEncodings.DecodeAsync(bytes, response.Codings, LongestList) ?? bytes;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            throw UpstreamFailures.OfConnection($"upstream {registry.Options.Key}: {response.Endpoint.Authority}", e);
        }
    }

    private static bool Find(JsonObject list, Digest digest) => ((JsonArray)list["manifests"]!).Any(
        entry => entry is JsonObject said && said["digest"] is JsonValue value && value.GetValueKind() == JsonValueKind.String
            && value.GetValue<string>() == digest.ToString());

    private static JsonObject Write(Descriptor referrer)
    {
        var entry = new JsonObject
        {
            ["mediaType"] = referrer.MediaType,
            ["digest"] = referrer.Digest.ToString(),
            ["size"] = referrer.Size,
        };
        if (referrer.ArtifactType is { } type) entry["artifactType"] = type;
        if (referrer.Annotations.Count == 0) return entry;
        entry["annotations"] = new JsonObject(referrer.Annotations.Select(a => KeyValuePair.Create(a.Key, (JsonNode?)a.Value)));
        return entry;
    }

    private UpstreamException Misbehaves(Digest subject, string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {registry.Options.Key}: the list of referrers {NameFor(subject)} of {name} {what}");
}
