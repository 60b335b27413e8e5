using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Reduces records to the operations that still matter: those that a later one has neither repeated nor undone. Applied in their order to
/// an empty repository, they give the same repository. A record that keeps no operation is omitted.
/// </summary>
internal sealed class LogFold : IOperationHandler<(int Record, int Operation), Nothing>
{
    private readonly Dictionary<(char Kind, string Name, Digest About), (int Record, int Operation)> _last = [];

    private LogFold()
    {
    }

    /// <summary>The records that remain.</summary>
    public static ImmutableArray<LogRecord> Of(IReadOnlyList<LogRecord> records)
    {
        var fold = new LogFold();
        for (var r = 0; r < records.Count; r++)
        {
            for (var o = 0; o < records[r].Change.Operations.Length; o++) records[r].Change.Operations[o].Accept(fold, (r, o));
        }
        var remaining = ImmutableArray.CreateBuilder<LogRecord>();
        foreach (var record in fold._last.Values.Order().GroupBy(static at => at.Record))
        {
            var of = records[record.Key];
            ImmutableArray<Operation> operations = [.. record.Select(at => of.Change.Operations[at.Operation])];
            // What each tag was bound to before no longer matters.
            ImmutableArray<Digest> previous = [.. operations.Where(static o => o is Operation.SetLive).Select(static _ => default(Digest))];
            remaining.Add(of with { Change = of.Change with { Operations = operations, Previous = previous } });
        }
        return remaining.ToImmutable();
    }

    /// <summary>What is stored, linked, bound and held after these records.</summary>
    public static LoggedNames NamesOf(IEnumerable<LogRecord> folded)
    {
        var names = new LoggedNames([], [], [], []);
        foreach (var operation in folded.SelectMany(static record => record.Change.Operations))
        {
            if (operation is Operation.StoreManifest manifest) names.Manifests.Add(manifest.Digest);
            if (operation is Operation.LinkBlob blob) names.Blobs.Add(blob.Digest);
            if (operation is Operation.SetLive live) names.Tags.Add(live.Tag);
            if (operation is Operation.Hold hold) names.Held.Add(hold.Tag);
        }
        return names;
    }

    public Nothing StoreManifest(Operation.StoreManifest operation, (int Record, int Operation) context)
    {
        Gone('d', "", operation.Digest);
        // The time of the first one is the time of the link.
        return First('m', "", operation.Digest, context);
    }

    public Nothing LinkBlob(Operation.LinkBlob operation, (int Record, int Operation) context) => Last('b', "", operation.Digest, context);

    public Nothing SetLive(Operation.SetLive operation, (int Record, int Operation) context) =>
        Last('t', operation.Tag.Value, default, context);

    public Nothing Hold(Operation.Hold operation, (int Record, int Operation) context) => Last('h', operation.Tag.Value, default, context);

    public Nothing EndHold(Operation.EndHold operation, (int Record, int Operation) context) => Gone('h', operation.Tag.Value, default);

    public Nothing Release(Operation.Release operation, (int Record, int Operation) context) => Last('r', "", operation.Digest, context);

    public Nothing AddReferrer(Operation.AddReferrer operation, (int Record, int Operation) context) =>
        Last('f', operation.Subject.ToString(), operation.Referrer.Digest, context);

    public Nothing AddEvidence(Operation.AddEvidence operation, (int Record, int Operation) context) =>
        // Evidence that counted once stays counted, and its first note has the time.
        First(operation.Counted ? 'c' : 'e', operation.Subject.ToString(), operation.Evidence, context);

    public Nothing Seen(Operation.Seen operation, (int Record, int Operation) context) => First('s', "", operation.Digest, context);

    public Nothing RemoveTag(Operation.RemoveTag operation, (int Record, int Operation) context) => Gone('t', operation.Tag.Value, default);

    public Nothing RemoveManifest(Operation.RemoveManifest operation, (int Record, int Operation) context)
    {
        Gone('m', "", operation.Digest);
        Gone('r', "", operation.Digest);
        foreach (var note in _last.Keys.Where(key => key.Kind is 'f' or 'e' or 'c' && key.About == operation.Digest).ToArray())
            _last.Remove(note);
        // Its evidence stays for the grace time, and the note of the removal begins it.
        var subject = operation.Digest.ToString();
        return _last.Keys.Any(key => key.Kind is 'f' or 'e' or 'c' && key.Name == subject)
            ? Last('d', "", operation.Digest, context)
            : default;
    }

    public Nothing RemoveBlob(Operation.RemoveBlob operation, (int Record, int Operation) context) => Gone('b', "", operation.Digest);

    // A replica without a verdict evaluates.
    public Nothing SetVerdict(Operation.SetVerdict operation, (int Record, int Operation) context) => default;

    // Only of staged and cached repositories.
    public Nothing Forward(Operation.Forward operation, (int Record, int Operation) context) => default;

    public Nothing Forwarded(Operation.Forwarded operation, (int Record, int Operation) context) => default;

    public Nothing StoreListed(Operation.StoreListed operation, (int Record, int Operation) context) => default;

    public Nothing Validated(Operation.Validated operation, (int Record, int Operation) context) => default;

    public Nothing RemoveEvidence(Operation.RemoveEvidence operation, (int Record, int Operation) context) => default;

    public Nothing RemoveListed(Operation.RemoveListed operation, (int Record, int Operation) context) => default;

    public Nothing RemoveAllEvidence(Operation.RemoveAllEvidence operation, (int Record, int Operation) context) => default;

    public Nothing RemoveEmpty(Operation.RemoveEmpty operation, (int Record, int Operation) context) => default;

    private Nothing First(char kind, string name, Digest about, (int Record, int Operation) at)
    {
        _last.TryAdd((kind, name, about), at);
        return default;
    }

    private Nothing Last(char kind, string name, Digest about, (int Record, int Operation) at)
    {
        _last[(kind, name, about)] = at;
        return default;
    }

    private Nothing Gone(char kind, string name, Digest about)
    {
        _last.Remove((kind, name, about));
        return default;
    }
}

/// <summary>What a repository has, according to its log.</summary>
internal sealed record LoggedNames(HashSet<Digest> Manifests, HashSet<Digest> Blobs, HashSet<TagName> Tags, HashSet<TagName> Held);
