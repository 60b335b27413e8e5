using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary>One run of a command that asks a gateway.</summary>
/// <param name="AsJson">Whether the command line asks for JSON.</param>
internal sealed record GatewayCall(ParseResult Parsed, OperatorClient Gateway, bool AsJson, CancellationToken CancellationToken)
{
    public TextWriter Output => Parsed.InvocationConfiguration.Output;

    public TextWriter Error => Parsed.InvocationConfiguration.Error;

    public T Value<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    public T? Value<T>(Option<T> option) => Parsed.GetValue(option);

    /// <summary>Sends a request; see <see cref="OperatorClient.PostAsync"/>.</summary>
    public Task<T> PostAsync<TRequest, T>(AdminWrite<TRequest, T> call, TRequest request) where TRequest : class =>
        Gateway.PostAsync(call, request, CancellationToken);

    /// <summary>Writes one line: an item as JSON if the command line asks for it, otherwise the text.</summary>
    public Task WriteAsync<T>(T item, JsonTypeInfo<T> type, string text) =>
        Output.WriteLineAsync(AsJson ? JsonSerializer.Serialize(item, type) : text);

    /// <summary>
    /// Writes the result of a request as <see cref="WriteAsync"/> does, or its problem to standard error. Returns the exit code.
    /// </summary>
    public async Task<int> WriteResultAsync<T>(T result, JsonTypeInfo<T> type, string? problem, string text)
    {
        if (problem is null || AsJson) await WriteAsync(result, type, text);
        else await Error.WriteLineAsync($"gateway: {problem}");
        return problem is null ? 0 : 1;
    }
}
