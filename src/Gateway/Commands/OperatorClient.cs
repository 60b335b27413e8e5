using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary>The admin API of the gateway that runs on this machine with this configuration.</summary>
internal sealed class OperatorClient(Uri address) : IDisposable
{
    // No limit: a prefetch of many images takes as long as it takes; the command can be interrupted.
    private readonly HttpClient _client =
        new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Whether nobody listens there, as an error of a request says.</summary>
    public static bool SaysNobodyThere(HttpRequestException error) =>
        error.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused };

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

    /// <summary>Asks for something whose answer comes line by line.</summary>
    public async IAsyncEnumerable<T> StreamAsync<TRequest, T>(
        string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, AdminApi.Prefix + path);
        message.Content = JsonContent.Create(request, requestType);
        using var answer = await _client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!answer.IsSuccessStatusCode) await ReadAsync(answer, AdminJson.Default.AdminProblem, cancellationToken);
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
