using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Gateway.BlackBox.Rig;

/// <summary>What a <see cref="StoreProxy"/> does with requests.</summary>
internal enum StoreFault
{
    /// <summary>Passes them on.</summary>
    None,

    /// <summary>Closes the connection.</summary>
    Refuse,

    /// <summary>Does not answer until the fault ends; then closes the connection.</summary>
    Silence,

    /// <summary>Passes each on after 50 to 150 ms.</summary>
    Delay,

    /// <summary>Passes requests and answers on in another order: each waits for up to 400 ms.</summary>
    Reorder,

    /// <summary>Answers 503 SlowDown.</summary>
    SlowDown,

    /// <summary>Passes it on, and closes the connection in place of the answer.</summary>
    LoseAnswer,

    /// <summary>Closes the connection, and passes a write on up to two seconds later.</summary>
    LandLate,

    /// <summary>Sends the first half of the answer's body, and closes the connection.</summary>
    Halve,

    /// <summary>Answers writes with 403 AccessDenied.</summary>
    DenyWrites,
}

/// <summary>An HTTP proxy on loopback between a gateway and its S3 store. It fails as networks and stores do.</summary>
internal sealed class StoreProxy : IAsyncDisposable
{
    // Of requests and answers: those that tell a server how this one connection is used.
    private static readonly string[] OfConnection = ["Host", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Expect"];

    private readonly ConcurrentDictionary<HttpContext, bool> _open = new();
    private readonly CancellationTokenSource _end = new();
    private readonly WebApplication _app;
    private readonly HttpClient _store;
    private readonly int _target;
    private TaskCompletionSource _faultEnds = new();
    private volatile StoreFault _fault;
    private int _faulted;

    private StoreProxy(int target)
    {
        _target = target;
        _store = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(server =>
        {
            server.Listen(IPAddress.Loopback, 0);
            (server.AddServerHeader, server.Limits.MaxRequestBodySize) = (false, null);
        });
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    public int Port { get; private set; }

    /// <summary>What it does now.</summary>
    public StoreFault Fault
    {
        get => _fault;
        set
        {
            _fault = value;
            Interlocked.Exchange(ref _faultEnds, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }

    /// <summary>Of how many requests one has the fault; the others are passed on.</summary>
    public int OneIn { get; set; } = 1;

    /// <summary>How many requests had a fault.</summary>
    public int Faulted => Volatile.Read(ref _faulted);

    /// <param name="target">The loopback port of the store.</param>
    public static async Task<StoreProxy> StartAsync(int target)
    {
        var proxy = new StoreProxy(target);
        await proxy._app.StartAsync();
        var addresses = proxy._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        proxy.Port = new Uri(addresses.Single()).Port;
        return proxy;
    }

    /// <summary>Resets the connection of every request that is not answered yet.</summary>
    public void Cut()
    {
        foreach (var context in _open.Keys)
        {
            try
            {
                context.Abort();
                Interlocked.Increment(ref _faulted);
            }
            catch (ObjectDisposedException)
            {
                // It was answered meanwhile.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        Cut();
        await _app.DisposeAsync();
        _store.Dispose();
        _end.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        _open[context] = true;
        try
        {
            var fault = _fault != StoreFault.None && Random.Shared.Next(OneIn) == 0 ? _fault : StoreFault.None;
            if (fault == StoreFault.DenyWrites && !IsWrite(context)) fault = StoreFault.None;
            if (fault != StoreFault.None) Interlocked.Increment(ref _faulted);
            await HandleAsync(context, fault);
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException or BadHttpRequestException)
        {
            // The gateway or the store closed its connection, and so does this side.
            context.Abort();
        }
        finally
        {
            _open.TryRemove(context, out _);
        }
    }

    private async Task HandleAsync(HttpContext context, StoreFault fault)
    {
        switch (fault)
        {
            case StoreFault.Refuse:
                context.Abort();
                return;
            case StoreFault.Silence:
                await Volatile.Read(ref _faultEnds).Task.WaitAsync(context.RequestAborted);
                context.Abort();
                return;
            case StoreFault.SlowDown:
                await ErrorAsync(context, 503, "SlowDown");
                return;
            case StoreFault.DenyWrites:
                await ErrorAsync(context, 403, "AccessDenied");
                return;
            case StoreFault.Delay:
                await Task.Delay(Random.Shared.Next(50, 150), _end.Token); // the fault
                break;
            case StoreFault.Reorder:
                await Task.Delay(Random.Shared.Next(400), _end.Token); // the fault
                break;
        }
        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        using var request = RequestOf(context.Request, body.ToArray());
        if (fault == StoreFault.LandLate)
        {
            context.Abort();
            if (!IsWrite(context)) return;
            await Task.Delay(Random.Shared.Next(2000), _end.Token); // the fault
        }
        using var answer = await _store.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _end.Token);
        if (fault is StoreFault.LoseAnswer) context.Abort();
        if (fault is StoreFault.LoseAnswer or StoreFault.LandLate) return;
        if (fault == StoreFault.Reorder) await Task.Delay(Random.Shared.Next(400), _end.Token); // the fault
        await AnswerAsync(context, answer, isHalf: fault == StoreFault.Halve);
    }

    private static bool IsWrite(HttpContext context) => context.Request.Method is "PUT" or "POST" or "DELETE";

    private HttpRequestMessage RequestOf(HttpRequest asked, byte[] body)
    {
        // The signature covers the target as it was sent.
        var target = asked.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget;
        var raw = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        var request = new HttpRequestMessage(new(asked.Method), new Uri($"http://127.0.0.1:{_target}{target}", raw));
        if (body.Length > 0 || asked.Method is "PUT" or "POST") request.Content = new ByteArrayContent(body);
        foreach (var (name, values) in asked.Headers)
        {
            if (OfConnection.Contains(name, StringComparer.OrdinalIgnoreCase)) continue;
            if (!request.Headers.TryAddWithoutValidation(name, values.ToArray()))
                request.Content?.Headers.TryAddWithoutValidation(name, values.ToArray());
        }
        request.Headers.Host = asked.Host.Value;
        return request;
    }

    private async Task AnswerAsync(HttpContext context, HttpResponseMessage answer, bool isHalf)
    {
        context.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (!OfConnection.Contains(name, StringComparer.OrdinalIgnoreCase)) context.Response.Headers[name] = values.ToArray();
        }
        if (answer.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified) return;
        context.Response.ContentLength = answer.Content.Headers.ContentLength;
        if (context.Request.Method == "HEAD") return;
        var bytes = await answer.Content.ReadAsByteArrayAsync(_end.Token);
        await context.Response.Body.WriteAsync(isHalf ? bytes.AsMemory(0, bytes.Length / 2) : bytes, context.RequestAborted);
        if (!isHalf) return;
        await context.Response.Body.FlushAsync(context.RequestAborted);
        context.Abort();
    }

    private static async Task ErrorAsync(HttpContext context, int status, string code)
    {
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        (context.Response.StatusCode, context.Response.ContentType) = (status, "application/xml");
        await context.Response.WriteAsync(string.Create(
            CultureInfo.InvariantCulture, $"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{status}</Message></Error>"));
    }
}
