using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>Sends one document or blob as a registry does (ranges, HEAD), changed as the rule says.</summary>
internal sealed class BodySender(HttpContext context, ReceivedRequest received, Rule? rule)
{
    // Small enough that a throttled or cut body arrives in several parts.
    private const int Step = 16 * 1024;

    public async Task SendAsync(byte[] whole, string mediaType, string? digest, bool ranges)
    {
        var response = context.Response;
        if (rule?.FlipsAt is { } flipped && flipped < whole.Length)
        {
            whole = [.. whole];
            whole[flipped] ^= 0xFF;
        }
        response.ContentType = mediaType;
        if (digest is not null) (response.Headers["Docker-Content-Digest"], response.Headers.ETag) = (digest, $"\"{digest}\"");
        if (rule?.Coding is var (code, label))
        {
            whole = code(whole);
            response.Headers.ContentEncoding = label;
        }
        var body = ranges && rule?.IgnoresRanges != true && received.Range is { } range ? Select(whole, range) : whole;
        if (response.StatusCode == StatusCodes.Status416RangeNotSatisfiable) body = ReadOnlyMemory<byte>.Empty;
        if (rule?.IsChunked != true) response.ContentLength = rule?.ClaimedLength ?? body.Length;
        ChangeHeaders();
        received.Status = response.StatusCode;
        if (received.IsHead) return;
        await SendStepsAsync(rule?.ClaimedLength is { } shorter && shorter < body.Length ? body[..(int)shorter] : body);
    }

    public void ChangeHeaders()
    {
        foreach (var (name, value) in rule?.ChangedHeaders ?? [])
        {
            if (value is null) context.Response.Headers.Remove(name);
            else context.Response.Headers[name] = value.Split('\n');
        }
    }

    private ReadOnlyMemory<byte> Select(byte[] whole, string range)
    {
        var (first, last) = Parse(range, whole.Length);
        if (first >= whole.Length || first > last || (rule?.RefusesOpenRanges == true && range.EndsWith('-')))
        {
            context.Response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
            context.Response.Headers.ContentRange = $"bytes */{whole.Length}";
            return default;
        }
        if (context.Request.Headers.IfRange is [{ } tag] && tag != context.Response.Headers.ETag) return whole;
        context.Response.StatusCode = StatusCodes.Status206PartialContent;
        context.Response.Headers.ContentRange = $"bytes {first}-{last}/{whole.Length}";
        return whole.AsMemory((int)first, (int)(last - first + 1));
    }

    private static (long First, long Last) Parse(string range, long length)
    {
        var parts = range["bytes=".Length..].Split('-');
        if (parts[0].Length == 0) return (Math.Max(0, length - long.Parse(parts[1], CultureInfo.InvariantCulture)), length - 1);
        var last = parts[1].Length == 0 ? length - 1 : Math.Min(length - 1, long.Parse(parts[1], CultureInfo.InvariantCulture));
        return (long.Parse(parts[0], CultureInfo.InvariantCulture), last);
    }

    private async Task SendStepsAsync(ReadOnlyMemory<byte> body)
    {
        var gone = context.RequestAborted;
        // A client stops reading when the headers are wrong, or do not tell the length.
        var isWhole = received.IsGet && received.Range is null && context.Response.StatusCode == 200
            && rule is not ({ Coding: not null } or { IsChunked: true }) && rule?.ClaimedLength is null;
        await context.Response.StartAsync(gone);
        for (var at = 0; ;)
        {
            if (rule?.Pause is { } pause && at == pause.After) await pause.Gate.WaitAsync(gone);
            if (at == rule?.HangsAfter) await Task.Delay(Timeout.Infinite, gone);
            if (at == rule?.CutAfter)
            {
                if (isWhole) received.WholeAt = Stopwatch.GetTimestamp();
                await CutAsync();
                return;
            }
            if (at == body.Length) break;
            var step = (int)long.Min(
                long.Min(Step, body.Length - at),
                long.Min(Left(rule?.CutAfter, at), long.Min(Left(rule?.HangsAfter, at), Left(rule?.Pause?.After, at))));
            if (rule?.BytesPerSecond is { } speed)
            {
                // Ten steps a second, so that a throttled body arrives evenly.
                step = Math.Min(step, Math.Max(1, speed / 10));
                await Task.Delay(TimeSpan.FromSeconds((double)step / speed), gone);
            }
            // Noted before the write, because the client may close the connection right after it.
            if (isWhole && at + step == body.Length) received.WholeAt = Stopwatch.GetTimestamp();
            await context.Response.Body.WriteAsync(body.Slice(at, step), gone);
            await context.Response.Body.FlushAsync(gone);
            received.Sent(step);
            at += step;
        }
        // The body is shorter than announced, and only the end of the connection can show that.
        if (rule?.ClaimedLength > body.Length) await CutAsync();
    }

    private static long Left(long? until, long at) => until > at ? until.Value - at : long.MaxValue;

    /// <summary>Resets the connection below HTTP, after the flushed bytes.</summary>
    private async Task CutAsync()
    {
        var socket = context.Features.Get<IConnectionSocketFeature>()!.Socket;
        await context.Response.Body.FlushAsync();
        if (rule!.ByReset)
        {
            context.Abort();
            return;
        }
        socket.Shutdown(SocketShutdown.Send);
    }

    internal static byte[] Compress(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest)) gzip.Write(bytes);
        return target.ToArray();
    }
}
