using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// Reduces records to the operations that still matter: those that a later one has neither repeated nor undone. Applied in their order to
/// an empty repository, they give the same repository. A record that keeps no operation is omitted.
/// </summary>
internal sealed class LogFold
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
            for (var o = 0; o < records[r].Change.Operations.Length; o++) fold.Add(records[r].Change.Operations[o], (r, o));
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

    private void Add(Operation operation, (int Record, int Operation) at)
    {
        switch (operation)
        {
            case Operation.StoreManifest o:
                Gone('d', "", o.Digest);
                // The time of the first one is the time of the link.
                First('m', "", o.Digest, at);
                break;
            case Operation.LinkBlob o: Last('b', "", o.Digest, at); break;
            case Operation.SetLive o: Last('t', o.Tag.Value, default, at); break;
            case Operation.Hold o: Last('h', o.Tag.Value, default, at); break;
            case Operation.EndHold o: Gone('h', o.Tag.Value, default); break;
            case Operation.Release o: Last('r', "", o.Digest, at); break;
            case Operation.AddReferrer o: Last('f', o.Subject.ToString(), o.Referrer.Digest, at); break;
            // Evidence that counted once stays counted, and its first note has the time.
            case Operation.AddEvidence o: First(o.Counted ? 'c' : 'e', o.Subject.ToString(), o.Evidence, at); break;
            case Operation.Seen o: First('s', "", o.Digest, at); break;
            case Operation.RemoveTag o: Gone('t', o.Tag.Value, default); break;
            case Operation.RemoveManifest o: Remove(o.Digest, at); break;
            case Operation.RemoveBlob o: Gone('b', "", o.Digest); break;
            // A replica without a verdict evaluates.
            case Operation.SetVerdict: break;
            // Only of staged and cached repositories.
            case Operation.Forward or Operation.Forwarded or Operation.StoreListed or Operation.Validated or Operation.RemoveEvidence
                or Operation.RemoveListed or Operation.RemoveAllEvidence or Operation.RemoveEmpty: break;
            default: throw Operation.Unknown(operation);
        }
    }

    private void Remove(Digest manifest, (int Record, int Operation) at)
    {
        Gone('m', "", manifest);
        Gone('r', "", manifest);
        foreach (var note in _last.Keys.Where(key => key.Kind is 'f' or 'e' or 'c' && key.About == manifest).ToArray()) _last.Remove(note);
        // Its evidence stays for the grace time, and the note of the removal begins it.
        var subject = manifest.ToString();
        if (_last.Keys.Any(key => key.Kind is 'f' or 'e' or 'c' && key.Name == subject)) Last('d', "", manifest, at);
    }

    private void First(char kind, string name, Digest about, (int Record, int Operation) at) => _last.TryAdd((kind, name, about), at);

    private void Last(char kind, string name, Digest about, (int Record, int Operation) at) => _last[(kind, name, about)] = at;

    private void Gone(char kind, string name, Digest about) => _last.Remove((kind, name, about));
}

/// <summary>What a repository has, according to its log.</summary>
internal sealed record LoggedNames(HashSet<Digest> Manifests, HashSet<Digest> Blobs, HashSet<TagName> Tags, HashSet<TagName> Held);
