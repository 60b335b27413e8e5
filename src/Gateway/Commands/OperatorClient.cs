using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary>The operator's port of one gateway: its health and its admin API.</summary>
internal sealed class OperatorClient : IDisposable
{
    private readonly HttpClient _client;

    private OperatorClient(Uri url, SocketsHttpHandler handler, string? token)
    {
        // No limit: a prefetch of many images takes as long as it takes; the command can be interrupted.
        _client = new(handler) { BaseAddress = Reached(url), Timeout = Timeout.InfiniteTimeSpan };
        if (!string.IsNullOrEmpty(token)) _client.DefaultRequestHeaders.Authorization = new("Bearer", token);
    }

    /// <summary>The gateway that runs with this configuration.</summary>
    /// <exception cref="IOException">The token or the certificate cannot be read.</exception>
    public static OperatorClient Of(GatewayOptions options)
    {
        var (url, tls) = (options.Operator.Url, options.Operator.Tls ?? options.Tls);
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (url.Scheme == Uri.UriSchemeHttps) Expect(handler, tls!.Certificate);
        return new(url, handler, options.Operator.TokenFile is { } file ? TokenFile.Read(file) : null);
    }

    /// <summary>The gateway at this address, whose certificate the machine must trust.</summary>
    /// <param name="token">Null or empty where none is asked for.</param>
    public static OperatorClient At(Uri url, string? token) => new(url, new() { UseProxy = false }, token);

    /// <summary>Where requests go.</summary>
    public Uri Address => _client.BaseAddress!;

    /// <summary>An address that means "any" is no place to connect to.</summary>
    private static Uri Reached(Uri url) => url.Host switch
    {
        "0.0.0.0" => new UriBuilder(url) { Host = "127.0.0.1" }.Uri,
        "[::]" => new UriBuilder(url) { Host = "[::1]" }.Uri,
        _ => url,
    };

    /// <summary>It is asked by address, which its certificate need not name: what must be shown is that of the configuration.</summary>
    private static void Expect(SocketsHttpHandler handler, string certificateFile)
    {
        var expected = X509Certificate2.CreateFromPem(BoundedFile.ReadText(certificateFile)).RawDataMemory;
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, shown, _, _) => shown is not null && expected.Span.SequenceEqual(shown.GetRawCertData());
    }

    /// <summary>Whether nobody listens there, as an error of a request says.</summary>
    public static bool SaysNobodyThere(HttpRequestException error) =>
        error.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused };

    /// <summary>What <c>/readyz</c> says.</summary>
    public async Task<(bool IsReady, string Says)> ReadyAsync(CancellationToken cancellationToken)
    {
        using var answer = await _client.GetAsync("/readyz?verbose", cancellationToken);
        return (answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(cancellationToken));
    }

    /// <exception cref="HttpRequestException">Nobody answers, or not with what was asked for; the message is fit for the user.</exception>
    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var answer = await _client.GetAsync(AdminApi.Prefix + path, cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    /// <exception cref="HttpRequestException">As for <see cref="GetAsync"/>; a 404 is an answer.</exception>
    public async Task<T> PostAsync<TRequest, T>(
        string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var answer = await _client.PostAsync(AdminApi.Prefix + path, JsonContent.Create(request, requestType), cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    /// <summary>Asks for something whose answer arrives line by line.</summary>
    public IAsyncEnumerable<T> StreamAsync<TRequest, T>(
        string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        LinesAsync(HttpMethod.Post, path, JsonContent.Create(request, requestType), type, cancellationToken);

    /// <summary>Reads a list that arrives line by line.</summary>
    public IAsyncEnumerable<T> ListAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        LinesAsync(HttpMethod.Get, path, null, type, cancellationToken);

    private async IAsyncEnumerable<T> LinesAsync<T>(
        HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(method, AdminApi.Prefix + path) { Content = content };
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
            throw new HttpRequestException(JsonSerializer.Deserialize(text, AdminJson.Default.AdminProblem)?.Problem);
        }
        catch (JsonException)
        {
            throw new HttpRequestException(
                $"{_client.BaseAddress} does not answer as a gateway of this version ({(int)answer.StatusCode})");
        }
    }

    public void Dispose() => _client.Dispose();
}
