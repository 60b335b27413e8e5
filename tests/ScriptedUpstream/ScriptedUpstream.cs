using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Scripted;

/// <summary>
/// A registry on loopback with the content that a test adds and the faults that a test scripts. It records every request. Scripts must be
/// written before the requests that they apply to.
/// </summary>
public sealed partial class ScriptedUpstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ScriptedCertificates? _certificates;
    private readonly Content _content = new();
    private readonly ConcurrentQueue<ReceivedRequest> _requests = new();
    private readonly ConcurrentQueue<Rule> _rules = new();
    private readonly string _address;
    private readonly ConcurrentDictionary<string, Func<string, bool>> _users = new();
    private RateLimiter? _limiter;
    private string? _challenge;
    private TokenAccess? _accepted;

    private ScriptedUpstream(string address, bool https)
    {
        _address = address;
        (Pushes, Lists) = (new(this, _content), new(this, _content));
        _certificates = https ? new ScriptedCertificates(address, DateTimeOffset.UtcNow) : null;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(Listen)
            // A flush then ends when the socket has accepted the bytes, so that a cut comes after exactly those bytes.
            .UseSockets(sockets => sockets.MaxWriteBufferSize = 1);
        if (https) builder.WebHost.UseKestrelHttpsConfiguration();
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    /// <summary>Scheme, address and port.</summary>
    public Uri Url { get; private set; } = new("http://unset");

    /// <summary>The certificate authority of an https upstream, as PEM.</summary>
    public string AuthorityPem => _certificates?.AuthorityPem ?? throw new InvalidOperationException("started without https");

    /// <summary>The answers of <c>/token</c> of this server, for itself or for another upstream.</summary>
    public TokenAccess Tokens { get; } = new();

    /// <summary>Every request so far, in order of arrival.</summary>
    public IReadOnlyList<ReceivedRequest> Requests => [.. _requests];

    /// <summary>Whether the referrers API exists; without it, its paths are 404.</summary>
    public bool HasReferrersApi { get; set; } = true;

    /// <summary>Whether tags, manifests and blobs can be deleted; otherwise 405.</summary>
    public bool AllowsDelete { get; set; } = true;

    /// <summary>Another registry that accepts the bytes of uploads that begin here.</summary>
    public ScriptedUpstream? UploadsTo { get; set; }

    /// <summary>Upload sessions that were neither finished nor canceled.</summary>
    public int OpenSessions => Pushes.OpenSessions;

    internal Pushes Pushes { get; }

    private Lists Lists { get; }

    /// <summary>Maximum number of entries on a page of the catalog; for referrers and tags the number when the client names none.</summary>
    public int PageSize { get; set; } = int.MaxValue;

    /// <summary>Starts an upstream on its own port.</summary>
    /// <param name="address">Any address of 127.0.0.0/8, so that a test can have several hosts.</param>
    /// <param name="https">Whether it has a certificate of <see cref="AuthorityPem"/> for the address and for localhost.</param>
    public static async Task<ScriptedUpstream> StartAsync(string address = "127.0.0.1", bool https = false)
    {
        var upstream = new ScriptedUpstream(address, https);
        await upstream._app.StartAsync();
        var addresses = upstream._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        upstream.Url = new Uri(addresses.Single());
        return upstream;
    }

    /// <summary>Scripts a fault.</summary>
    public Rule When(Func<ReceivedRequest, bool> matches)
    {
        var rule = new Rule(matches);
        _rules.Enqueue(rule);
        return rule;
    }

    /// <summary>Removes every fault.</summary>
    public void Behave() => _rules.Clear();

    public int Count(Func<ReceivedRequest, bool> matches) => _requests.Count(matches);

    /// <summary>Waits until a request that matches has arrived.</summary>
    /// <exception cref="TimeoutException">None arrived; the message lists those that did.</exception>
    public async Task<ReceivedRequest> ReceivedAsync(
        Func<ReceivedRequest, bool> matches, [CallerArgumentExpression(nameof(matches))] string awaited = "")
    {
        ReceivedRequest? found = null;
        await Patience.UntilAsync(
            () => Task.FromResult((found = _requests.FirstOrDefault(matches)) is not null),
            () => $"a request with {awaited}; received: {string.Join("; ", _requests)}");
        return found!;
    }

    /// <summary>Adds an image with these layers; where only a size matters, the bytes are random (see <see cref="Bytes"/>).</summary>
    public ScriptedImage AddImage(string name, string? tag, params byte[][] layers) => _content.AddImage(name, tag, layers);

    public string AddIndex(string name, string? tag, params ScriptedImage[] images) => _content.AddIndex(name, tag, images);

    /// <summary>Forgets a blob, so that a long test does not run out of memory.</summary>
    public void RemoveBlob(string name, string digest) => _content.Blobs.TryRemove((name, digest), out _);

    public string AddBlob(string name, byte[] bytes) => _content.AddBlob(name, bytes);

    public string AddManifest(string name, byte[] bytes, string mediaType, string? tag = null) =>
        _content.AddManifest(name, bytes, mediaType, tag);

    /// <summary>Adds an artifact about a subject, and binds a tag to it when one is given (cosign's <c>….sig</c>).</summary>
    public string AddReferrer(string name, string subject, string artifactType, string? tag = null) =>
        _content.AddReferrer(name, subject, artifactType, tag);

    /// <summary>Adds a manifest with bytes that the test chooses, which names a subject.</summary>
    public string AddReferrer(string name, string subject, byte[] manifest)
    {
        var digest = _content.AddManifest(name, manifest, Content.ManifestType, null);
        _content.Refer(name, subject, digest, manifest.Length, artifactType: null);
        return digest;
    }

    /// <summary>Lists a subject's referrers under the fallback tag, as clients do when the API is missing.</summary>
    public string WriteFallbackTag(string name, string subject)
    {
        var index = JsonSerializer.SerializeToUtf8Bytes(Content.Index(_content.ReferrersOf(name, subject)));
        return AddManifest(name, index, Content.IndexType, subject.Replace(':', '-'));
    }

    public void Tag(string name, string tag, string digest) => _content.Tags[(name, tag)] = digest;

    /// <summary>What a tag is bound to; null for nothing.</summary>
    public string? DigestOfTag(string name, string tag) => _content.Tags.GetValueOrDefault((name, tag));

    /// <summary>A blob's bytes; null when the repository does not have it.</summary>
    public byte[]? FindBlob(string name, string digest) => _content.Blobs.GetValueOrDefault((name, digest));

    /// <summary>A manifest's bytes and type, by tag or digest; null when the repository does not have it.</summary>
    public (byte[] Bytes, string MediaType)? ManifestOf(string name, string reference) =>
        FindManifest(name, reference) is var (_, found) ? (found.Bytes, found.MediaType) : null;

    /// <summary>Removes every upload session.</summary>
    public void ExpireSessions() => Pushes.Expire();

    public void Untag(string name, string tag) => _content.Tags.TryRemove((name, tag), out _);

    /// <summary>Removes a blob or manifest, as if it had never existed.</summary>
    public void Remove(string name, string digest)
    {
        _content.Blobs.TryRemove((name, digest), out _);
        _content.Manifests.TryRemove((name, digest), out _);
    }

    /// <summary>Random bytes, the same for the same seed.</summary>
    public static byte[] Bytes(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static string DigestOf(ReadOnlySpan<byte> bytes) => Content.DigestOf(bytes);

    /// <summary>Requires a token of <paramref name="server"/> (its own when omitted) for every request.</summary>
    public TokenAccess RequireToken(ScriptedUpstream? server = null)
    {
        server ??= this;
        _accepted = server.Tokens;
        _challenge = $"Bearer realm=\"{new Uri(server.Url, "/token")}\",service=\"{server.Tokens.Service}\"";
        return server.Tokens;
    }

    /// <summary>Requires this user, or one from an earlier call, for every request. A later password replaces an earlier one.</summary>
    /// <param name="mayPull">Repositories that the user may see; all when omitted. Others are answered <see cref="Denial"/>.</param>
    public void RequireBasic(string username, string password, Func<string, bool>? mayPull = null)
    {
        _users[TokenAccess.Basic(username, password)] = mayPull ?? (_ => true);
        _challenge = "Basic realm=\"scripted\"";
    }

    /// <summary>Removes this user.</summary>
    public void RemoveUser(string username, string password) => _users.TryRemove(TokenAccess.Basic(username, password), out _);

    /// <summary>Whether requests without credentials are accepted although users are required.</summary>
    public bool AllowsAnonymous { get; set; }

    /// <summary>The status that a known user gets for a repository that the user must not see: 401, 403 or 404.</summary>
    public int Denial { get; set; } = 403;

    /// <summary>Counts manifest requests of each user, and answers 429 beyond this number.</summary>
    public RateLimiter LimitRates(int limit, Func<ReceivedRequest, bool>? counts = null) =>
        _limiter = new(limit, counts ?? (r => r.IsGet));

    public async ValueTask DisposeAsync()
    {
        // Stalled answers never end by themselves, so the connections are closed at once.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _certificates?.Dispose();
    }

    private void Listen(KestrelServerOptions options)
    {
        options.AddServerHeader = false;
        // A push may be large, and as slow as a test wants it.
        options.Limits.MaxRequestBodySize = null;
        options.Limits.MinRequestBodyDataRate = null;
        options.Listen(IPAddress.Parse(_address), 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            if (_certificates is not null) listen.UseHttps(_certificates.Server);
        });
    }
}
