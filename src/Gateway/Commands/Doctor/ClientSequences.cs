using System.Net;
using System.Text.Json;

namespace Gateway.Commands.Doctor;

/// <summary>
/// The requests with which real clients pull an image, as they were recorded at a registry. A client whose sequence fails asks the registry
/// itself, if its configuration lets it.
/// </summary>
internal static class ClientSequences
{
    /// <summary>What containerd accepts for a manifest.</summary>
    public static readonly (string, string) Accept = ("Accept",
        "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
        + "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*");

    // containerd's remotes/docker: each answer must come within its dial_timeout and response timeout; the sum of a warm pull is far less.
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(2);

    /// <summary>How one client names a repository.</summary>
    /// <param name="Pings">Whether it asks <c>GET /v2/</c> first, without an account.</param>
    /// <param name="Heads">Whether it asks for the tag's digest with HEAD first.</param>
    private sealed record Client(string Name, string Path, string? Ns, bool Pings, bool Heads);

    public static async Task<IReadOnlyList<Finding>> RunAsync(Visit visit, CancellationToken cancellationToken)
    {
        var found = new List<Finding>();
        if (visit.Image is not { } image) return found;
        foreach (var client in ClientsOf(visit, image)) found.Add(await PlayAsync(visit, client, image, cancellationToken));
        return found;
    }

    private static IEnumerable<Client> ClientsOf(Visit visit, ImageName image)
    {
        yield return new("containerd", image.Path, image.Registry, Pings: false, Heads: true);
        var upstream = visit.View.Upstreams.FirstOrDefault(each => each.Namespaces.Contains(image.Registry));
        if (upstream is null) yield break;
        var below = upstream.Prefix.Length == 0 ? image.Path : $"{upstream.Prefix}/{image.Path}";
        yield return new("podman, CRI-O", below, null, Pings: true, Heads: false);
        yield return new("helm, oras", below, null, Pings: false, Heads: true);
        if (image.Registry == "docker.io" && visit.View.HubMirror == visit.View.Url)
            yield return new("dockerd (own store)", image.Path, null, Pings: true, Heads: true);
    }

    private static async Task<Finding> PlayAsync(Visit visit, Client client, ImageName image, CancellationToken cancellationToken)
    {
        var took = TimeSpan.Zero;
        if (client.Pings)
        {
            var ping = await AskAsync(HttpMethod.Get, "/v2/");
            if (!ping.IsSuccess && ping.Status != HttpStatusCode.Unauthorized) return Failed("GET /v2/", ping);
        }
        var reference = image.Reference;
        if (client.Heads)
        {
            var head = await AskAsync(HttpMethod.Head, Path("manifests", reference), Accept);
            if (!head.IsSuccess) return Failed("HEAD of the tag", head);
            if (head["Docker-Content-Digest"] is not { } digest || head["Content-Length"] is null) return Incomplete("HEAD of the tag");
            reference = digest;
        }
        var manifest = await AskAsync(HttpMethod.Get, Path("manifests", reference), Accept);
        for (var depth = 0; depth < 2 && manifest.IsSuccess && ChildOf(manifest.Body) is { } child; depth++)
            manifest = await AskAsync(HttpMethod.Get, Path("manifests", child), Accept);
        if (!manifest.IsSuccess) return Failed("GET of the manifest", manifest);
        if (ConfigOf(manifest.Body) is { } config)
        {
            var blob = await AskAsync(HttpMethod.Get, Path("blobs", config));
            if (!blob.IsSuccess) return Failed("GET of the config", blob);
        }
        return took > Slow
            ? Finding.Warning(
                "CLIENT_SLOW", client.Name, $"a pull of {Name(image)} without its layers took {took.TotalMilliseconds:0} ms",
                "check the upstream's latency; pull again to see whether the cache answers")
            : Finding.Ok("client", client.Name, $"a pull of {Name(image)} without its layers took {took.TotalMilliseconds:0} ms");

        async Task<Asked> AskAsync(HttpMethod method, string path, params (string, string)[] headers)
        {
            var answer = await visit.Caller.AskAsync(method, visit.At(path), cancellationToken, headers);
            took += answer.Took;
            return answer;
        }

        string Path(string kind, string last) => $"/v2/{client.Path}/{kind}/{last}{(client.Ns is null ? "" : $"?ns={client.Ns}")}";

        Finding Failed(string step, Asked answer) => new(
            visit.Bypass, "CLIENT_FAILS", client.Name,
            $"{step} of {Name(image)} got {answer.Says}; a client with an open mirror now asks {image.Registry} itself",
            "find the request in the access log; if the refusal is right, close the mirror (gateway client-config --enforce)");

        Finding Incomplete(string step) => Finding.Error(
            "HEADERS_MISSING", client.Name, $"{step} lacks Docker-Content-Digest or Content-Length",
            "let the proxy in front pass the headers of the gateway unchanged");
    }

    private static string Name(ImageName image) => $"{image.Registry}/{image.Path}";

    /// <summary>The first manifest of an index; null for what is no index.</summary>
    private static string? ChildOf(byte[] body) => Read(body, static root =>
        root.TryGetProperty("manifests", out var list) && list.GetArrayLength() > 0 ? list[0].GetProperty("digest").GetString() : null);

    private static string? ConfigOf(byte[] body) => Read(body, static root =>
        root.TryGetProperty("config", out var config) ? config.GetProperty("digest").GetString() : null);

    private static string? Read(byte[] body, Func<JsonElement, string?> read)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }
}
