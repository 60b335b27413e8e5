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
        foreach (var client in ClientsOf(visit, image)) found.Add(await new Pull(visit, client, image, cancellationToken).RunAsync());
        return found;
    }

    private static IEnumerable<Client> ClientsOf(Visit visit, ImageName image)
    {
        if (IsOwn(visit, image))
        {
            // A name with the gateway's own address needs no mirror, so all clients ask alike.
            yield return new("every client", image.Path, null, Pings: true, Heads: true);
            yield break;
        }
        yield return new("containerd", image.Path, image.Registry, Pings: false, Heads: true);
        var upstream = visit.View.Upstreams.FirstOrDefault(each => each.Namespaces.Contains(image.Registry));
        if (upstream is null) yield break;
        var below = upstream.Prefix.Length == 0 ? image.Path : $"{upstream.Prefix}/{image.Path}";
        yield return new("podman, CRI-O", below, null, Pings: true, Heads: false);
        yield return new("helm, oras", below, null, Pings: false, Heads: true);
        if (image.Registry == "docker.io" && visit.View.HubMirror == visit.View.Url)
            yield return new("dockerd (own store)", image.Path, null, Pings: true, Heads: true);
    }

    private static bool IsOwn(Visit visit, ImageName image) => image.Registry == visit.At("/").Authority;

    /// <summary>One client's pull of an image, without its layers. Each step returns why it failed; null when it did not.</summary>
    private sealed class Pull(Visit visit, Client client, ImageName image, CancellationToken cancellationToken)
    {
        private TimeSpan _took;
        private string _reference = image.Reference;
        private byte[] _manifest = [];

        private string Name => $"{image.Registry}/{image.Path}";

        public async Task<Finding> RunAsync() =>
            await PingAsync() ?? await FindTagAsync() ?? await ReadManifestAsync() ?? await ReadConfigAsync() ?? Passed();

        private async Task<Finding?> PingAsync()
        {
            if (!client.Pings) return null;
            var ping = await AskAsync(HttpMethod.Get, "/v2/");
            return ping.IsSuccess || ping.Status == HttpStatusCode.Unauthorized ? null : Failed("GET /v2/", ping);
        }

        private async Task<Finding?> FindTagAsync()
        {
            if (!client.Heads) return null;
            var head = await AskAsync(HttpMethod.Head, Path("manifests", _reference), Accept);
            if (!head.IsSuccess) return Failed("HEAD of the tag", head);
            if (head["Docker-Content-Digest"] is not { } digest || head["Content-Length"] is null)
                return Finding.Error(
                    "HEADERS_MISSING", client.Name, "HEAD of the tag lacks Docker-Content-Digest or Content-Length",
                    "let the proxy in front pass the headers of the gateway unchanged");
            _reference = digest;
            return null;
        }

        private async Task<Finding?> ReadManifestAsync()
        {
            var manifest = await AskAsync(HttpMethod.Get, Path("manifests", _reference), Accept);
            for (var depth = 0; depth < 2 && manifest.IsSuccess && ChildOf(manifest.Body) is { } child; depth++)
                manifest = await AskAsync(HttpMethod.Get, Path("manifests", child), Accept);
            _manifest = manifest.Body;
            return manifest.IsSuccess ? null : Failed("GET of the manifest", manifest);
        }

        private async Task<Finding?> ReadConfigAsync()
        {
            if (ConfigOf(_manifest) is not { } config) return null;
            var blob = await AskAsync(HttpMethod.Get, Path("blobs", config));
            return blob.IsSuccess ? null : Failed("GET of the config", blob);
        }

        private Finding Passed()
        {
            var what = $"a pull of {Name} without its layers took {_took.TotalMilliseconds:0} ms";
            return _took <= Slow
                ? Finding.Ok("client", client.Name, what)
                : Finding.Warning(
                    "CLIENT_SLOW", client.Name, what,
                    "check the upstream's latency; pull again to see whether the cache answers");
        }

        private Finding Failed(string step, Asked answer) => IsOwn(visit, image)
            ? Finding.Error(
                "CLIENT_FAILS", client.Name, $"{step} of {Name} got {answer.Says}",
                "compare the name with gateway repos and gateway tags; if the image needs an account, add --user")
            : new(
                visit.Bypass, "CLIENT_FAILS", client.Name,
                $"{step} of {Name} got {answer.Says}; a client with an open mirror now asks {image.Registry} itself",
                "find the request in the access log; if the refusal is right, close the mirror (gateway client-config --enforce)");

        private async Task<Asked> AskAsync(HttpMethod method, string path, params (string, string)[] headers)
        {
            var answer = await visit.Caller.AskAsync(method, visit.At(path), cancellationToken, headers);
            _took += answer.Took;
            return answer;
        }

        private string Path(string kind, string last) =>
            $"/v2/{client.Path}/{kind}/{last}{(client.Ns is null ? "" : $"?ns={client.Ns}")}";
    }

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
