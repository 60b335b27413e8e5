using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Scripted;

/// <summary>One request that a <see cref="SampleApplication"/> received.</summary>
/// <param name="Target">The request target, as it was on the wire.</param>
/// <param name="Path">The path as the server read it.</param>
public sealed record WebRequestReceived(string Method, string Target, string Path, IReadOnlyDictionary<string, string> Headers);

/// <summary>
/// The web application of a registry such as Harbor, on loopback: a login form with a cookie and redirects to absolute addresses, a
/// WebSocket, and files. It writes its own name, from the <c>Host</c> header, into everything. It records every request.
/// </summary>
public sealed class SampleApplication : IAsyncDisposable
{
    /// <summary>The cookie of a session.</summary>
    public const string Cookie = "sample-session";

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<WebRequestReceived> _requests = new();
    private readonly CancellationTokenSource _ending = new();

    private SampleApplication(string address, int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls($"http://{address}:{port}");
        builder.Services.AddRouting();
        _app = builder.Build();
        _app.Use((context, next) =>
        {
            Remember(context.Request);
            return next(context);
        });
        _app.UseWebSockets();
        Map();
    }

    /// <summary>Scheme, address and port.</summary>
    public Uri Url { get; private set; } = new("http://unset");

    /// <summary>Every request so far, in order of arrival.</summary>
    public IReadOnlyList<WebRequestReceived> Requests => [.. _requests];

    /// <summary>Starts an application.</summary>
    /// <param name="port">0 for any free port.</param>
    /// <param name="address">Any address of 127.0.0.0/8.</param>
    public static async Task<SampleApplication> StartAsync(int port = 0, string address = "127.0.0.1")
    {
        var application = new SampleApplication(address, port);
        await application._app.StartAsync();
        var addresses = application._app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
        application.Url = new(addresses.Addresses.Single());
        return application;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
        _ending.Dispose();
    }

    private void Remember(HttpRequest request)
    {
        var headers = request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        var target = request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        _requests.Enqueue(new(request.Method, target, request.Path.Value ?? "", headers));
    }

    private void Map()
    {
        _app.MapGet("/", (HttpContext context) => IsLoggedIn(context) ? Page(Home) : Redirect(context, "/login"));
        _app.MapGet("/login", () => Page(LoginForm));
        _app.MapPost("/login", (Delegate)LogInAsync);
        _app.MapGet("/app.js", () => Results.Text(Script, "text/javascript"));
        _app.MapGet("/large", SendLargeAsync);
        _app.MapGet("/slow", async (HttpContext context, int ms) =>
        {
            await Task.Delay(ms, context.RequestAborted);
            return Results.Text("slow");
        });
        _app.MapGet("/headers", (HttpContext context) => Results.Text(
            JsonSerializer.Serialize(context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString())), "application/json"));
        _app.MapPost("/size", async (HttpContext context) =>
        {
            var counted = new Counter();
            await context.Request.Body.CopyToAsync(counted, context.RequestAborted);
            return Results.Text($"{counted.Bytes}");
        });
        _app.MapGet("/ws", EchoAsync);
        // Every path exists, also those of the registry API: the test looks at the requests that arrived.
        _app.MapFallback((HttpContext context) => Results.Text($"nothing special at {context.Request.Path}"));
    }

    private static bool IsLoggedIn(HttpContext context) => context.Request.Cookies[Cookie] == "right";

    private static IResult Page(string html) => Results.Text(html, "text/html; charset=utf-8");

    private static IResult Redirect(HttpContext context, string path) => Results.Redirect($"http://{context.Request.Host}{path}");

    // Frameworks compare Origin with Host to tell their own forms from those of other sites.
    private static async Task<IResult> LogInAsync(HttpContext context)
    {
        var origin = context.Request.Headers.Origin.ToString();
        if (origin.Length > 0 && origin != $"http://{context.Request.Host}")
            return Results.Text($"expected Origin http://{context.Request.Host}, got {origin}", statusCode: 403);
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        if (form["password"] != "secret") return Results.Text("wrong password", statusCode: 401);
        context.Response.Headers.Append(
            "Set-Cookie", $"{Cookie}=right; Path=/; Domain={context.Request.Host.Host}; HttpOnly; SameSite=Lax");
        context.Response.StatusCode = 303;
        context.Response.Headers.Location = $"http://{context.Request.Host}/";
        return Results.Empty;
    }

    private static async Task SendLargeAsync(HttpContext context)
    {
        var bytes = long.Parse(context.Request.Query["bytes"].ToString(), System.Globalization.CultureInfo.InvariantCulture);
        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = bytes;
        var part = new byte[64 * 1024];
        for (var sent = 0L; sent < bytes; sent += part.Length)
            await context.Response.Body.WriteAsync(part.AsMemory(0, (int)Math.Min(part.Length, bytes - sent)), context.RequestAborted);
    }

    private async Task EchoAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest || !IsLoggedIn(context))
        {
            context.Response.StatusCode = 403;
            return;
        }
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer.AsMemory(), _ending.Token) is { MessageType: not WebSocketMessageType.Close } received)
            {
                var answer = Encoding.UTF8.GetBytes($"echo {Encoding.UTF8.GetString(buffer, 0, received.Count)}");
                await socket.SendAsync(answer.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, _ending.Token);
            }
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _ending.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // The other side closed the connection, or the test ends.
        }
    }

    private const string LoginForm = """
        <!doctype html><title>Log in</title>
        <form method="post" action="/login">
        <input name="user" value="ann"><input name="password" type="password"><button>Log in</button></form>
        """;

    private const string Home = """
        <!doctype html><title>Home</title><h1 id="hello">Hello ann</h1><p id="echo"></p><p id="registry"></p><script src="/app.js"></script>
        """;

    private const string Script = """
        const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
        socket.onopen = () => socket.send('from ' + location.host);
        socket.onmessage = message => { document.getElementById('echo').textContent = message.data; };
        fetch('/v2/').then(a => { document.getElementById('registry').textContent = 'registry ' + a.status; });
        """;

    private sealed class Counter : Stream
    {
        public long Bytes { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => Bytes;

        public override long Position { get => Bytes; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count) => Bytes += count;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
