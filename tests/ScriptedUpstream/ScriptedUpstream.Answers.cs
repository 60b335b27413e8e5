using System.Text;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>Answers each request: with the fault that is scripted for it, or as a registry does.</summary>
public sealed partial class ScriptedUpstream
{
    private async Task HandleAsync(HttpContext context)
    {
        var received = new ReceivedRequest(context.Request);
        if (received is { IsToken: true, Method: "POST" })
        {
            using var reader = new StreamReader(context.Request.Body);
            received.Form = await reader.ReadToEndAsync();
        }
        _requests.Enqueue(received);
        try
        {
            await AnswerAsync(context, received, _rules.FirstOrDefault(rule => rule.TryUse(received)));
        }
        catch (OperationCanceledException)
        {
            // The client closed the connection, or the test ended.
        }
        finally
        {
            if (received.Status == 0 && !context.RequestAborted.IsCancellationRequested) received.Status = context.Response.StatusCode;
        }
    }

    private async Task AnswerAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        if (rule?.Gate is { } gate) await gate.WaitAsync(context.RequestAborted);
        if (rule?.IsDropped == true)
        {
            context.Abort();
            return;
        }
        if (rule?.HangsBeforeHeaders == true) await Task.Delay(Timeout.Infinite, context.RequestAborted);
        if (rule?.RefusesHead == true && received.IsHead) context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        else if (rule?.Answer is { } answer)
        {
            context.Response.StatusCode = answer.Status;
            await new BodySender(context, received, rule).SendAsync(Encoding.UTF8.GetBytes(answer.Body), answer.Type, null, ranges: false);
        }
        else if (received.IsToken) await Tokens.AnswerAsync(context, received, rule);
        else if (EntryOf(received) is var status and not 200) Deny(context, received, status);
        else if (received.Path == "/v2/") await context.Response.WriteAsync("{}");
        else if (received.IsWrite) await Pushes.AnswerAsync(context, received, rule);
        else await AnswerContentAsync(context, received, rule);
    }

    private int EntryOf(ReceivedRequest received)
    {
        if (_accepted is { } tokens) return tokens.Accepts(received) ? 200 : 401;
        if (_challenge is null || (AllowsAnonymous && received.Authorization is null)) return 200;
        if (received.Authorization is null || !_users.TryGetValue(received.Authorization, out var mayPull)) return 401;
        return received.Name == "" || mayPull(received.Name) ? 200 : Denial;
    }

    private void Deny(HttpContext context, ReceivedRequest received, int status)
    {
        context.Response.StatusCode = status;
        if (status != StatusCodes.Status401Unauthorized) return;
        // As distribution does: the scope of this request.
        context.Response.Headers.WWWAuthenticate = _accepted is null || received.Name == ""
            ? _challenge
            : $"{_challenge},scope=\"repository:{received.Name}:{received.Actions}\"";
    }

    private async Task AnswerContentAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        var user = _accepted?.HolderOf(received.Authorization) ?? received.Authorization ?? "";
        if (received.IsAnyManifest && _limiter?.Take(context, received, user) == false) return;
        var (name, reference) = (received.Name, received.Reference);
        var sender = new BodySender(context, received, rule);
        if (received.IsAnyBlob && _content.Blobs.TryGetValue((name, reference), out var blob))
        {
            await sender.SendAsync(blob, "application/octet-stream", reference, ranges: true);
        }
        else if (received.IsAnyManifest && FindManifest(name, reference) is var (digest, document))
        {
            await sender.SendAsync(document.Bytes, document.MediaType, digest, ranges: false);
        }
        else if (received.IsReferrers && HasReferrersApi) await Lists.SendReferrersAsync(context, received, sender);
        else if (received.IsCatalog) await Lists.SendCatalogAsync(context, sender);
        else if (received.IsTags) await Lists.SendTagsAsync(context, received, sender);
        else
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            sender.ChangeHeaders();
        }
    }

    private (string Digest, Document Document)? FindManifest(string name, string reference)
    {
        var digest = _content.Tags.GetValueOrDefault((name, reference), reference);
        return _content.Manifests.TryGetValue((name, digest), out var document) ? (digest, document) : null;
    }
}
