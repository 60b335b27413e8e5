using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary>Client of the operator port of one gateway: its health and its admin API.</summary>
internal sealed class OperatorClient : IDisposable
{
    private readonly HttpClient _client;

    private OperatorClient(Uri url, SocketsHttpHandler handler, string? token)
    {
        // No time limit, because a prefetch of many images can take long; the user can interrupt the command.
        _client = new(handler) { BaseAddress = Reached(url), Timeout = Timeout.InfiniteTimeSpan };
        if (!string.IsNullOrEmpty(token)) _client.DefaultRequestHeaders.Authorization = new("Bearer", token);
    }

    /// <summary>The gateway that runs with this configuration.</summary>
    /// <exception cref="IOException">The token or the certificate cannot be read.</exception>
    public static OperatorClient Of(GatewayOptions options)
    {
        var (url, tls) = (options.Operator.Url, options.Operator.Tls ?? options.Tls);
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (url.Scheme == Uri.UriSchemeHttps && tls is not null) Expect(handler, tls.Certificate);
        return new(url, handler, options.Operator.TokenFile is { } file ? TokenFile.Read(file) : null);
    }

    /// <summary>The gateway at this address; the machine must trust its certificate.</summary>
    /// <param name="token">Null or empty if none is required.</param>
    public static OperatorClient At(Uri url, string? token) => new(url, new() { UseProxy = false }, token);

    public Uri Address => _client.BaseAddress!;

    /// <summary>Replaces an address that means "any" with loopback, because clients cannot connect to it.</summary>
    private static Uri Reached(Uri url) => url.Host switch
    {
        "0.0.0.0" => new UriBuilder(url) { Host = "127.0.0.1" }.Uri,
        "[::]" => new UriBuilder(url) { Host = "[::1]" }.Uri,
        _ => url,
    };

    /// <summary>
    /// The client connects by address, which the certificate may not contain: the gateway must show exactly the configured certificate.
    /// </summary>
    private static void Expect(SocketsHttpHandler handler, string certificateFile)
    {
        var expected = X509Certificate2.CreateFromPem(BoundedFile.ReadText(certificateFile)).RawDataMemory;
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, shown, _, _) => shown is not null && expected.Span.SequenceEqual(shown.GetRawCertData());
    }

    /// <summary>Whether an error of a request means that nothing listens at the address.</summary>
    public static bool SaysNobodyThere(HttpRequestException error) =>
        error.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused };

    /// <summary>The result of <c>/readyz</c>.</summary>
    public async Task<(bool IsReady, string Says)> ReadyAsync(CancellationToken cancellationToken)
    {
        using var answer = await _client.GetAsync("/readyz?verbose", cancellationToken);
        return (answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(cancellationToken));
    }

    /// <summary>The text at a path of the operator port.</summary>
    /// <exception cref="HttpRequestException">There is no answer, or one that is not 200.</exception>
    public async Task<string> TextAsync(string path, CancellationToken cancellationToken)
    {
        using var answer = await _client.GetAsync(path, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadAsStringAsync(cancellationToken);
    }

    /// <summary>Reads one value.</summary>
    /// <param name="query">With its question mark; null for none.</param>
    /// <exception cref="HttpRequestException">There is no answer, or an unexpected one; the message can be shown to the user.</exception>
    public async Task<T> GetAsync<T>(AdminRead<T> call, string? query, CancellationToken cancellationToken)
    {
        using var answer = await _client.GetAsync(call.Address + query, cancellationToken);
        return await ReadAsync(answer, call.Type, cancellationToken);
    }

    /// <summary>Reads something that may not exist.</summary>
    /// <exception cref="HttpRequestException">As for <see cref="GetAsync"/>; for a 404, with the problem.</exception>
    public async Task<T> FindAsync<T>(AdminRead<T> call, CancellationToken cancellationToken)
    {
        using var answer = await _client.GetAsync(call.Address, cancellationToken);
        if (answer.StatusCode == System.Net.HttpStatusCode.NotFound)
            throw new HttpRequestException((await ReadAsync(answer, AdminJson.Default.AdminProblem, cancellationToken)).Problem);
        return await ReadAsync(answer, call.Type, cancellationToken);
    }

    /// <exception cref="HttpRequestException">As for <see cref="GetAsync"/>; a 404 is an answer.</exception>
    public async Task<T> PostAsync<TRequest, T>(AdminWrite<TRequest, T> call, TRequest request, CancellationToken cancellationToken)
        where TRequest : class
    {
        using var answer = await _client.PostAsync(call.Address, JsonContent.Create(request, call.Request), cancellationToken);
        return await ReadAsync(answer, call.Type, cancellationToken);
    }

    /// <summary>Sends a request whose response arrives line by line.</summary>
    public IAsyncEnumerable<T> StreamAsync<TRequest, T>(
        AdminWrite<TRequest, T> call, TRequest request, CancellationToken cancellationToken) where TRequest : class =>
        LinesAsync(HttpMethod.Post, call.Address, JsonContent.Create(request, call.Request), call.Type, cancellationToken);

    /// <summary>Reads a list whose response arrives line by line.</summary>
    public IAsyncEnumerable<T> ListAsync<T>(AdminRead<T> call, string? query, CancellationToken cancellationToken) =>
        LinesAsync(HttpMethod.Get, call.Address + query, null, call.Type, cancellationToken);

    private async IAsyncEnumerable<T> LinesAsync<T>(
        HttpMethod method, string address, HttpContent? content, JsonTypeInfo<T> type,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(method, address) { Content = content };
        using var answer = await _client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!answer.IsSuccessStatusCode)
            throw new HttpRequestException((await ReadAsync(answer, AdminJson.Default.AdminProblem, cancellationToken)).Problem);
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken));
        while (await lines.ReadLineAsync(cancellationToken) is { } line) yield return JsonSerializer.Deserialize(line, type)!;
    }

    private async Task<T> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        try
        {
            if (answer.IsSuccessStatusCode || answer.StatusCode == System.Net.HttpStatusCode.NotFound)
                return JsonSerializer.Deserialize(text, type) ?? throw new JsonException("null");
            // Alone, or among the fields of an answer.
            using var refusal = JsonDocument.Parse(text);
            throw new HttpRequestException(refusal.RootElement.GetProperty("problem").GetString());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new HttpRequestException(
                $"expected the operator port of a gateway of this version at {_client.BaseAddress}, got another answer (status "
                + $"{(int)answer.StatusCode}); give the address that its operator key names, by default http://127.0.0.1:5001");
        }
    }

    public void Dispose() => _client.Dispose();
}
