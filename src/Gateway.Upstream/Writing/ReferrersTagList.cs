using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Adds to the list of a subject's referrers at a registry without referrers API, under the subject's bare tag
/// (<see cref="EvidenceTag.BareOf"/>). The list is read, changed and written back, which the protocol cannot do atomically. Two gateways
/// can therefore overwrite each other's entries, so each checks afterwards that its own entry is in the list. Within one gateway, writers
/// take turns.
/// </summary>
/// <param name="name">The upstream's own name of the repository.</param>
internal sealed class ReferrersTagList(IUpstreamRegistry registry, RepositoryName name, TimeProvider clock)
{
    // In bytes: the least that registries accept for a manifest (distribution-spec, "Pushing Manifests").
    private const int LongestList = 4 * 1024 * 1024;

    // Chosen: 4 MiB over a slow connection.
    private static readonly TimeSpan BodyTimeout = TimeSpan.FromSeconds(30);

    // Chosen: with 64 semaphores, few tags share one. Those that do only wait for each other.
    private static readonly SemaphoreSlim[] Turns = [.. Enumerable.Range(0, 64).Select(_ => new SemaphoreSlim(1))];

    /// <summary>Adds a referrer to the list, unless the upstream's referrers API or the list already has it.</summary>
    /// <exception cref="UpstreamException">The upstream did not accept the list, or the entry does not stay in it.</exception>
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
                if (written && !backoff.MayRetry(0))
                    throw Misbehaves(subject, $"loses {referrer.Digest}, because other clients overwrite the list; try again");
                if (written) await backoff.WaitAsync(null, cancellationToken);
                await WriteAsync(subject, list, referrer, cancellationToken);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Whether the referrers API lists it. A registry can do that without an OCI-Subject header in its response.</summary>
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
            // Registries without the referrers API answer 401, or send a web page.
            return false;
        }
    }

    private async Task<JsonObject> ReadAsync(Digest subject, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, name, EvidenceTag.BareOf(subject).Value);
        await using var response = await registry.SendAsync(request, cancellationToken);
        return response.Status == 404
            ? new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = MediaTypes.OciIndex, ["manifests"] = new JsonArray() }
            : await ParseAsync(subject, response, cancellationToken);
    }

    private async Task WriteAsync(Digest subject, JsonObject list, Descriptor referrer, CancellationToken cancellationToken)
    {
        ((JsonArray)list["manifests"]!).Add(Write(referrer));
        var bytes = JsonSerializer.SerializeToUtf8Bytes(list);
        if (bytes.Length > LongestList)
        {
            var what = $"is full: expected at most {LongestList} bytes with {referrer.Digest}, got {bytes.Length}; delete old referrers";
            throw Misbehaves(subject, what);
        }
        var request = new UpstreamRequest(HttpMethod.Put, UpstreamNoun.Manifest, name, EvidenceTag.BareOf(subject).Value)
        {
            Body = UpstreamBody.Of(MediaTypes.OciIndex, bytes),
        };
        await using var response = await registry.SendAsync(request, cancellationToken);
    }

    /// <summary>Reads an image index without interpreting more than its entries, so that other fields are written back unchanged.</summary>
    private async Task<JsonObject> ParseAsync(Digest subject, UpstreamResponse response, CancellationToken cancellationToken)
    {
        var bytes = await ReadAsync(response, cancellationToken)
            ?? throw Misbehaves(subject, $"is too long: expected at most {LongestList} bytes");
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
            // The exception below reports it.
        }
        throw Misbehaves(subject, "is invalid: expected an image index, got another document");
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
        new(
            UpstreamFailure.Misbehaving,
            $"upstream {registry.Options.Key}: the list of referrers {EvidenceTag.BareOf(subject)} of {name} {what}");
}
