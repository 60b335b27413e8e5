using System.Globalization;
using System.Net;
using System.Text.Json;
using Gateway.Access;

namespace Gateway.Operations;

/// <summary>One line of the audit log: actor, action, address and outcome. Contains no secret and no query.</summary>
/// <param name="Event"><c>login</c>, <c>push</c>, <c>delete</c>, <c>promote</c>, <c>verdict</c>, <c>purge</c>, <c>release</c>,
/// <c>drop</c>, <c>rollback</c>, <c>admin</c>, <c>reload</c>, <c>start</c> or <c>stop</c>.</param>
/// <param name="Outcome"><c>done</c>, <c>held</c>, <c>refused</c> or <c>failed</c>.</param>
internal sealed record AuditEntry(DateTimeOffset Time, string Event, string Outcome)
{
    // A repository's name has 255 characters, a sha512 digest 135.
    private const int MaxText = 512;

    public string? Actor { get; init; }

    public string? Remote { get; init; }

    public string? RequestId { get; init; }

    /// <summary>How the client logged in.</summary>
    public string? How { get; init; }

    public string? Repository { get; init; }

    public string? Reference { get; init; }

    public string? Digest { get; init; }

    /// <summary>Further tags that a push bound, and those that it released.</summary>
    public string? Tags { get; init; }

    /// <summary>The source of a promotion, or the subject of an operator's request.</summary>
    public string? Detail { get; init; }

    /// <summary>Number of the change; 0 if nothing was changed.</summary>
    public long Sequence { get; init; }

    public int? Status { get; init; }

    public string? Code { get; init; }

    public string? Decision { get; init; }

    /// <summary>
    /// Whether the event changes nothing and any client can cause it at will. Such events are written once per interval, so that they
    /// displace no others.
    /// </summary>
    public bool IsCheap => Event is "verdict" or "login";

    /// <summary>Equal for two entries that differ only in time, request and address within one network of a host.</summary>
    public string Sameness => string.Join('\n', Event, Outcome, Actor, Network, How, Repository, Reference, Code);

    private string? Network => IPAddress.TryParse(Remote, out var address) ? ClientAddress.GroupOf(address).ToString() : Remote;

    /// <summary>The login of a request; null if it is not a login.</summary>
    public static AuditEntry? LoginOf(RequestRecord record)
    {
        var isRefused = record.Status == 401 || (record.Route == "token" && record.Status >= 400);
        if (record.Login is null || (!isRefused && record.Actor == Caller.Anonymous)) return null;
        return new(record.Time, "login", isRefused ? "refused" : "done")
        {
            Actor = record.Actor, Remote = record.Remote, RequestId = record.RequestId, How = record.Login,
            Status = isRefused ? record.Status : null,
        };
    }

    /// <summary>The entry for a request; null if it needs none.</summary>
    public static AuditEntry? ActOf(RequestRecord record)
    {
        var isRefusedPull = record is { Route: "manifest", Method: "GET" or "HEAD", Decision: not null, Status: 403 };
        var name = isRefusedPull ? "verdict" : ChangeOf(record);
        // 401: the client has not sent credentials yet, or wrong ones.
        if (name is null || record.Status == 401) return null;
        var outcome = record.Status >= 500 ? "failed" : record.Status >= 400 ? "refused" : record.IsPending ? "held" : "done";
        return new(record.Time, name, outcome)
        {
            Actor = record.Actor, Remote = record.Remote, RequestId = record.RequestId, Repository = record.Repository,
            Reference = record.Reference, Digest = record.Digest, Tags = record.Tags, Detail = record.Detail, Status = record.Status,
            Code = record.ErrorCode, Decision = record.Decision, Sequence = record.Sequence,
        };
    }

    /// <summary>The event name of the change that a request makes if it succeeds; null if it needs no entry.</summary>
    public static string? ChangeOf(RequestRecord record) => (record.Route, record.Method) switch
    {
        ("manifest", "PUT") => "push",
        ("manifest" or "blob", "DELETE") => "delete",
        ("promote", "POST") => "promote",
        _ => null,
    };

    /// <summary>The entry with its texts as a line has them, so that no client decides how much memory an entry needs.</summary>
    public AuditEntry Cut() => this with
    {
        Actor = Line(Actor), Remote = Line(Remote), RequestId = Line(RequestId), How = Line(How), Repository = Line(Repository),
        Reference = Line(Reference), Digest = Line(Digest), Tags = Line(Tags), Detail = Line(Detail), Code = Line(Code),
        Decision = Line(Decision),
    };

    private static string? Line(string? value) => value is null ? null : Printable.Line(value, MaxText);

    /// <param name="omitted">Number of lines omitted before this one.</param>
    public byte[] ToJson(long omitted)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", Time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
            json.WriteString("event", Event);
            json.WriteString("outcome", Outcome);
            Text(json, "actor", Actor);
            Text(json, "remote", Remote);
            Text(json, "requestId", RequestId);
            Text(json, "how", How);
            Text(json, "repository", Repository);
            Text(json, "reference", Reference);
            Text(json, "digest", Digest);
            Text(json, "tags", Tags);
            Text(json, "detail", Detail);
            if (Sequence > 0) json.WriteNumber("sequence", Sequence);
            if (Status is { } status) json.WriteNumber("status", status);
            Text(json, "code", Code);
            Text(json, "decision", Decision);
            if (omitted > 0) json.WriteNumber("omitted", omitted);
            json.WriteEndObject();
        }
        buffer.WriteByte((byte)'\n');
        return buffer.ToArray();
    }

    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value)) json.WriteString(name, Printable.Line(value, MaxText));
    }
}
