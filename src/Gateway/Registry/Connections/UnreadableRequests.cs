using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Text;
using Gateway.Repositories;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.WebUtilities;

namespace Gateway.Registry;

/// <summary>
/// Gives the spec's error body to what the server refuses before any handler sees it: a head that cannot be read, is too long, or comes
/// too slowly. The server has no setting for that answer, but tells of such a request before it answers.
/// </summary>
internal sealed class UnreadableRequests : DiagnosticSource
{
    // Documented: "Use DiagnosticSource with Kestrel to detect bad requests".
    private const string BadRequest = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";

    public override bool IsEnabled(string name) => name == BadRequest;

    /// <summary>Is told of a request that the server refuses.</summary>
    public override void Write(string name, object? value)
    {
        if (value is IFeatureCollection features
            && features.Get<IHttpResponseFeature>() is { HasStarted: false }
            && features.Get<IHttp2StreamIdFeature>() is null
            && features.Get<IBadRequestExceptionFeature>()?.Error is BadHttpRequestException error)
            features.Get<Answers>()?.ReplaceBy(error);
    }

    /// <summary>Lets answers on this connection be replaced.</summary>
    public static Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var answers = new Answers(connection.Transport.Output);
        connection.Transport = new Replaced(connection.Transport.Input, answers);
        connection.Features.Set(answers);
        return next(connection);
    }

    private sealed record Replaced(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    /// <summary>What goes out on a connection: as the server writes it, until an answer was put in the place of the server's own.</summary>
    private sealed class Answers(PipeWriter output) : PipeWriter
    {
        private byte[]? _unsent;

        public override bool CanGetUnflushedBytes => output.CanGetUnflushedBytes;

        public override long UnflushedBytes => output.UnflushedBytes;

        /// <summary>Writes the last answer of this connection.</summary>
        public void ReplaceBy(BadHttpRequestException error)
        {
            if (_unsent is not null) return;
            var body = new RegistryError(RegistryErrorCode.UNSUPPORTED, error.Message).ToJson();
            var reason = ReasonPhrases.GetReasonPhrase(error.StatusCode);
            output.Write(Encoding.ASCII.GetBytes(
                $"HTTP/1.1 {error.StatusCode} {reason}\r\nContent-Length: {body.Length}\r\nContent-Type: application/json\r\n"
                + $"Connection: close\r\nDate: {DateTimeOffset.UtcNow:R}\r\n\r\n"));
            output.Write(body);
            // The server's own goes nowhere: some hundred bytes.
            _unsent = new byte[4096];
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) =>
            _unsent is null ? output.GetMemory(sizeHint) : sizeHint <= _unsent.Length ? _unsent : new byte[sizeHint];

        public override Span<byte> GetSpan(int sizeHint = 0) => _unsent is null ? output.GetSpan(sizeHint) : GetMemory(sizeHint).Span;

        public override void Advance(int bytes)
        {
            if (_unsent is null) output.Advance(bytes);
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
            output.FlushAsync(cancellationToken);

        public override void CancelPendingFlush() => output.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => output.Complete(exception);

        public override ValueTask CompleteAsync(Exception? exception = null) => output.CompleteAsync(exception);
    }
}
