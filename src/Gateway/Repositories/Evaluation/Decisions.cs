using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>A decision as it is recorded in the ring.</summary>
/// <param name="Repository">The repository that it is about: a caller that may see the repository may see the decision.</param>
/// <param name="Digest">The manifest that it is about; empty for none.</param>
/// <param name="Json">The record (docs/policy.md, "Decisions").</param>
internal sealed record RecordedDecision(RepositoryName Repository, Digest Digest, byte[] Json);

/// <summary>The latest decisions that refused or warned, by id, so that a refused client can look up the reason.</summary>
internal sealed class Decisions(DecisionRing ring)
{
    // People copy the advice from here into gateway.yaml, so a `+` must stay a `+`. The response has a JSON type and is never part of a
    // page.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Decisions in memory, some KiB each.
    private const int MostRecent = 200;

    private readonly ConcurrentQueue<Decision> _recent = new();

    /// <summary>A new id for a decision: 40 random bits, so that ids cannot be guessed.</summary>
    public static string NewId() => "d-" + RandomNumberGenerator.GetString("ABCDEFGHJKMNPQRSTUVWXYZ23456789", 8);

    public void Remember(Decision decision)
    {
        ring.Append(decision.Id, ToJson(decision));
        _recent.Enqueue(decision);
        while (_recent.Count > MostRecent) _recent.TryDequeue(out _);
    }

    /// <summary>The latest decisions since the start, the latest first.</summary>
    public IEnumerable<Decision> Recent() => _recent.Reverse();

    public RecordedDecision? Find(string id)
    {
        if (ring.Find(id) is not { } json) return null;
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var digest = Digest.TryParse(root.GetProperty("digest").GetString(), out var read) ? read : default;
            return new(RepositoryName.Parse(root.GetProperty("repository").GetString()), digest, json);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            return null; // The ring is not flushed, so after a power failure it may contain anything.
        }
    }

    private static byte[] ToJson(Decision decision)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            var verdict = decision.Verdict;
            json.WriteStartObject();
            json.WriteString("id", decision.Id);
            json.WriteString("time", decision.Time);
            json.WriteString("actor", decision.Actor);
            json.WriteString("stage", Name(decision.Stage));
            json.WriteString("repository", decision.Repository.ToString());
            json.WriteString("reference", decision.Reference);
            json.WriteString("digest", decision.Digest.ToString());
            json.WriteString("outcome", Name(verdict.BeforeModes > verdict.Outcome ? verdict.BeforeModes : verdict.Outcome));
            json.WriteString("effective", Name(verdict.Outcome));
            json.WriteString("policyRevision", verdict.Revision.ToString("x16", CultureInfo.InvariantCulture));
            json.WriteString("trustRevision", decision.TrustRevision.ToString("x16", CultureInfo.InvariantCulture));
            json.WriteBoolean("cached", verdict.IsRemembered);
            json.WriteNumber("durationMs", Math.Round(verdict.Took.TotalMilliseconds, 3));
            json.WriteString("message", decision.Message);
            WriteReasons(json, verdict.Reasons);
            WriteRules(json, verdict);
            WriteEvidence(json, verdict);
            json.WriteStartArray("exceptionsUsed");
            foreach (var exception in verdict.ExceptionsUsed) json.WriteStringValue(exception);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }

    private static void WriteRules(Utf8JsonWriter json, Verdict verdict)
    {
        json.WriteStartArray("rules");
        foreach (var rule in verdict.Rules)
        {
            json.WriteStartObject();
            json.WriteString("id", rule.Id);
            json.WriteString("matchedBy", rule.MatchedBy);
            json.WriteString("outcome", Name(rule.Outcome));
            json.WriteString("effective", Name(rule.Effective));
            if (rule.Fix.Length > 0) json.WriteString("fix", rule.Fix);
            if (!rule.Ages.IsEmpty) WriteAges(json, rule.Ages);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteAges(Utf8JsonWriter json, IEnumerable<AttestedAge> ages)
    {
        json.WriteStartArray("ages");
        foreach (var age in ages)
        {
            json.WriteStartObject();
            json.WriteString("manifest", age.Manifest.ToString());
            json.WriteString("signedAt", age.SignedAt);
            json.WriteString("by", age.By);
            json.WriteString("subject", age.Subject.ToString());
            json.WriteString("evidence", age.Evidence.ToString());
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteReasons(Utf8JsonWriter json, IEnumerable<Reason> reasons)
    {
        json.WriteStartArray("reasons");
        foreach (var reason in reasons)
        {
            json.WriteStartObject();
            json.WriteString("rule", reason.Rule);
            json.WriteString("code", reason.Code);
            json.WriteString("message", reason.Message);
            json.WriteString("outcome", Name(reason.Outcome));
            if (reason.Path.Length > 0) json.WriteString("path", reason.Path);
            if (reason.Expected.Length > 0) json.WriteString("expected", reason.Expected);
            if (reason.Found.Length > 0) json.WriteString("found", reason.Found);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteEvidence(Utf8JsonWriter json, Verdict verdict)
    {
        json.WriteStartArray("evidence");
        foreach (var seen in verdict.Evidence)
        {
            json.WriteStartObject();
            json.WriteString("subject", seen.Subject.ToString());
            json.WriteString("digest", seen.Digest.ToString());
            if (seen.Repository is { } repository) json.WriteString("repository", repository.Value);
            json.WriteString("kind", seen.Kind);
            json.WriteString("format", seen.Format);
            if (seen.Authority is { } authority) json.WriteString("authority", authority);
            json.WriteBoolean("verified", seen.Verified);
            if (seen.Code.Length > 0) json.WriteString("code", seen.Code);
            json.WriteString("why", seen.Why);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
