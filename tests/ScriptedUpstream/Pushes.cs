using System.Buffers;
using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>
/// Accepts pushes as a registry does: upload sessions that keep the bytes received before a cut, uploads in every form of the
/// distribution-spec, mounts, manifests whose blobs must be present, and deletes. The address of a session has a state in its query that
/// changes with each answer; only the newest one is accepted.
/// </summary>
internal sealed class Pushes(ScriptedUpstream owner, Content content)
{
    private const int Step = 16 * 1024;

    private readonly ConcurrentDictionary<string, Session> _sessions = new();

    /// <summary>Upload sessions that were neither finished nor canceled.</summary>
    public int OpenSessions => _sessions.Count;

    /// <summary>Removes every session.</summary>
    public void Expire() => _sessions.Clear();

    public async Task AnswerAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        var reply = (received.Method, received) switch
        {
            ("POST", { IsUpload: true }) => await BeginAsync(context, received, rule),
            (_, { IsUpload: true }) => await ContinueAsync(context, received, rule),
            ("PUT", { IsAnyManifest: true }) => await PutManifestAsync(context, received, rule),
            ("DELETE", _) => Delete(received),
            _ => Refuse(405, "UNSUPPORTED", "no such operation"),
        };
        if (rule?.LosesAnswer == true)
        {
            context.Abort();
            return;
        }
        context.Response.StatusCode = reply.Status;
        foreach (var (name, value) in reply.Headers) context.Response.Headers[name] = value;
        new BodySender(context, received, rule).ChangeHeaders();
        if (reply.Body.Length > 0) await context.Response.Body.WriteAsync(reply.Body);
    }

    private async Task<Reply> BeginAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        var query = context.Request.Query;
        if (query["mount"] is [{ } mount] && query["from"] is [{ } from] && content.Blobs.TryGetValue((from, mount), out var mounted))
        {
            content.Blobs[(received.Name, mount)] = mounted;
            return Created($"/v2/{received.Name}/blobs/{mount}", mount);
        }
        var session = new Session(received.Name, content);
        (owner.UploadsTo?.Pushes ?? this)._sessions[session.Id] = session;
        if (query["digest"] is not [{ } digest]) return Tell(session, 202, owner.UploadsTo?.Url.GetLeftPart(UriPartial.Authority));
        await session.TakeAsync(context, received, rule);
        return Finish(session, digest);
    }

    private async Task<Reply> ContinueAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        if (!_sessions.TryGetValue(received.Reference, out var session) || session.Name != received.Name)
            return Refuse(404, "BLOB_UPLOAD_UNKNOWN", "no such session");
        var request = context.Request;
        // A client that was cut off has not received the newest address; it gets it with GET.
        if (received.Method is "PATCH" or "PUT" && request.Query["state"] != session.State)
            return Refuse(400, "BLOB_UPLOAD_INVALID", "not the Location that was given last");
        switch (received.Method)
        {
            case "GET":
                return Tell(session, 204);
            case "DELETE":
                _sessions.TryRemove(session.Id, out _);
                return new Reply(204);
            case "PATCH" when request.Headers.ContentRange is [{ } at] && !at.StartsWith($"{session.Length}-", StringComparison.Ordinal):
                return Tell(session, 416);
            case "PATCH":
                await session.TakeAsync(context, received, rule);
                return Tell(session, 202);
            default:
                await session.TakeAsync(context, received, rule);
                return Finish(session, request.Query["digest"].ToString());
        }
    }

    private Reply Finish(Session session, string digest)
    {
        var bytes = session.ToArray();
        if (Content.DigestOf(bytes) != digest) return Refuse(400, "DIGEST_INVALID", $"these {bytes.Length} bytes have another digest");
        _sessions.TryRemove(session.Id, out _);
        session.Target.Blobs[(session.Name, digest)] = bytes;
        return Created($"/v2/{session.Name}/blobs/{digest}", digest);
    }

    private async Task<Reply> PutManifestAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        var body = new Session(received.Name, content);
        await body.TakeAsync(context, received, rule);
        var bytes = body.ToArray();
        if (Read(bytes) is not { } document) return Refuse(400, "MANIFEST_INVALID", "no JSON object, or a member twice");
        string?[] named = [.. Digests(document["config"]), .. Digests(document["layers"])];
        if (named.FirstOrDefault(d => !content.Blobs.ContainsKey((received.Name, d!))) is { } missing)
            return Refuse(400, "MANIFEST_BLOB_UNKNOWN", $"no blob {missing}");
        var tag = received.Reference.Contains(':', StringComparison.Ordinal) ? null : received.Reference;
        var digest = content.AddManifest(received.Name, bytes, context.Request.ContentType ?? "", tag);
        var reply = Created($"/v2/{received.Name}/manifests/{received.Reference}", digest);
        if (!owner.HasReferrersApi || (string?)document["subject"]?["digest"] is not { } subject) return reply;
        content.Refer(received.Name, subject, digest, bytes.Length, (string?)document["artifactType"]);
        return reply with { Headers = [.. reply.Headers, ("OCI-Subject", subject)] };
    }

    private Reply Delete(ReceivedRequest received)
    {
        var (name, reference) = (received.Name, received.Reference);
        if (!owner.AllowsDelete) return Refuse(405, "UNSUPPORTED", "deleting is switched off");
        var removed = received.IsAnyBlob ? content.Blobs.TryRemove((name, reference), out _)
            : reference.Contains(':', StringComparison.Ordinal) ? content.RemoveManifest(name, reference)
            : content.Tags.TryRemove((name, reference), out _);
        return removed ? new Reply(202) : Refuse(404, received.IsAnyBlob ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN", "nothing there");
    }

    private static JsonObject? Read(byte[] bytes)
    {
        try
        {
            return JsonNode.Parse(bytes, null, new() { AllowDuplicateProperties = false }) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IEnumerable<string?> Digests(JsonNode? node) => node switch
    {
        JsonArray list => list.Select(entry => (string?)entry?["digest"]),
        null => [],
        _ => [(string?)node["digest"]],
    };

    private static Reply Tell(Session session, int status, string? host = null) => new(status)
    {
        Headers =
        [
            ("Location", $"{host}/v2/{session.Name}/blobs/uploads/{session.Id}?state={session.NextState()}&kept=a%2Fb"),
            ("Range", $"0-{Math.Max(0, session.Length - 1)}"),
        ],
    };

    private static Reply Created(string location, string digest) =>
        new(201) { Headers = [("Location", location), ("Docker-Content-Digest", digest)] };

    private static Reply Refuse(int status, string code, string message) => new(status)
    {
        Headers = [("Content-Type", "application/json")],
        Body = JsonSerializer.SerializeToUtf8Bytes(new { errors = new[] { new { code, message } } }),
    };

    private sealed record Reply(int Status)
    {
        public (string Name, string Value)[] Headers { get; init; } = [];

        public byte[] Body { get; init; } = [];
    }

    /// <summary>The bytes of one blob that were received so far.</summary>
    private sealed class Session(string name, Content target)
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();
        private int _answers;

        public string Name => name;

        /// <summary>The registry that opened the session, and receives the blob, even when another one accepts the bytes.</summary>
        public Content Target => target;

        public string Id { get; } = Guid.NewGuid().ToString("N");

        public string State => $"{_answers}";

        public long Length
        {
            get
            {
                lock (_bytes) return _bytes.WrittenCount;
            }
        }

        public string NextState() => $"{Interlocked.Increment(ref _answers)}";

        public byte[] ToArray()
        {
            lock (_bytes) return _bytes.WrittenSpan.ToArray();
        }

        /// <summary>Reads the request's body, as far as the rule allows.</summary>
        public async Task TakeAsync(HttpContext context, ReceivedRequest received, Rule? rule)
        {
            var buffer = new byte[Step];
            for (long got = 0; ;)
            {
                if (got == rule?.TakesOnly)
                {
                    if (rule.StallsThen) await Task.Delay(Timeout.Infinite, context.RequestAborted);
                    context.Abort();
                    throw new OperationCanceledException();
                }
                var want = (int)Math.Min(Step, rule?.TakesOnly - got ?? Step);
                var read = await context.Request.Body.ReadAsync(buffer.AsMemory(0, want), context.RequestAborted);
                if (read == 0) return;
                received.Took(read);
                got += read;
                lock (_bytes) _bytes.Write(buffer.AsSpan(0, read));
            }
        }
    }
}
