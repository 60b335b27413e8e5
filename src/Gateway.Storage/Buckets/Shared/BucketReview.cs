using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Compares distribution's layout in a shared bucket with the logs: it finds what another program wrote beside the gateways, and what an
/// adoption skipped. It only reads.
/// </summary>
public static class BucketReview
{
    // Chosen: enough to recognize the program that wrote them.
    private const int MostExamples = 5;

    /// <summary>Reads the layout and the logs of a bucket.</summary>
    /// <param name="limit">How long to read; the repositories after that are not compared.</param>
    /// <exception cref="IOException">The bucket does not answer.</exception>
    public static async Task<BucketReviewed> RunAsync(
        S3Options options, TimeSpan limit, TimeProvider clock, ILogger logger, CancellationToken cancellationToken)
    {
        using var bucket = S3Bucket.Open(options, clock, logger);
        return await RunAsync(bucket, options.Prefix, limit, clock, cancellationToken);
    }

    /// <summary>Reads the layout and the logs of a bucket.</summary>
    internal static async Task<BucketReviewed> RunAsync(
        IBucket bucket, string prefix, TimeSpan limit, TimeProvider clock, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        var (compared, all, foreign, unreadable) = (0, 0, new List<string>(), new List<string>());
        await foreach (var head in bucket.ListAsync(LogObjects.HeadsPrefix(prefix), null, cancellationToken))
        {
            if (!RepositoryName.TryParse(LogObjects.NameOf(head.Key, prefix), out var name)) continue;
            all++;
            if (clock.GetElapsedTime(began) > limit) continue;
            compared++;
            try
            {
                foreign.AddRange(await new Comparison(bucket, prefix, name.Value).RunAsync(head.Facts.Written, cancellationToken));
            }
            catch (UnreadableLogException e)
            {
                unreadable.Add(e.Message);
            }
        }
        var skipped = new List<string>();
        var reports = AdoptedObjects.ReportsPrefix(prefix);
        await foreach (var report in bucket.ListAsync(reports, null, cancellationToken)) skipped.Add(report.Key);
        return new(compared, all, foreign.Count, [.. foreign.Take(MostExamples)], skipped.Count, [.. skipped.Take(MostExamples)])
        {
            Unreadable = unreadable,
        };
    }

    /// <summary>Compares one repository.</summary>
    private sealed class Comparison(IBucket bucket, string prefix, string name)
    {
        /// <summary>Tag links of a repository that are read. Chosen: only those that are younger than the head are read at all.</summary>
        private const int MostRead = 100;

        // A link has at most "sha512:" and 128 digits, and perhaps a line break.
        private const int MaxLink = 256;

        private readonly LogObjects _log = new(bucket, prefix, name, Guid.NewGuid);
        private readonly Root _layout = new($"{prefix}docker/registry/v2", Lifetime.Pushed);

        /// <summary>What the layout has that no gateway wrote, each in a few words.</summary>
        /// <param name="written">When the head was written.</param>
        public async Task<IReadOnlyList<string>> RunAsync(DateTimeOffset written, CancellationToken cancellationToken)
        {
            var before = await StateAsync();
            var suspects = new List<Suspect>();
            var folder = $"{_layout.Repository(name)}/_manifests/";
            await foreach (var found in bucket.ListAsync(folder, null, cancellationToken))
            {
                var isNew = found.Facts.Written > written;
                var suspect = found.Key[folder.Length..].Split('/') switch
                {
                    ["revisions", var algorithm, var hex, "link"] when Digest.TryParse($"{algorithm}:{hex}", out var digest) =>
                        new Suspect(null, digest, isNew),
                    ["tags", var tag, "current", "link"] when TagName.TryParse(tag, out var parsed)
                        && (isNew || !before.Tags.ContainsKey(parsed)) && suspects.Count < MostRead =>
                        new Suspect(parsed, await ReadLinkAsync(found.Key, cancellationToken), isNew),
                    _ => null,
                };
                if (suspect is { Digest.IsEmpty: false } && before.IsForeign(suspect)) suspects.Add(suspect);
            }
            if (suspects.Count == 0) return [];
            // A gateway may have made them meanwhile.
            var after = await StateAsync();
            var isSame = after.Sequence == before.Sequence;
            return
            [
                .. suspects.Where(each => after.IsForeign(each with { IsNew = each.IsNew && isSame }))
                    .Select(each => each.Tag is { } tag ? $"{name}:{tag}" : $"{name}@{each.Digest}"),
            ];
        }

        private async ValueTask<Digest> ReadLinkAsync(string key, CancellationToken cancellationToken)
        {
            try
            {
                var read = await bucket.ReadAsync(key, MaxLink, null, cancellationToken);
                return Digest.TryParse(Encoding.ASCII.GetString(read.Bytes.Span).TrimEnd('\n'), out var digest) ? digest : default;
            }
            catch (InvalidDataException)
            {
                // Too long for a link: distribution does not read it either.
                return default;
            }
        }

        private async Task<State> StateAsync()
        {
            if ((await _log.ReadAsync(null)).Head is not { } head) return new(0, [], [], []);
            var records = await _log.ReadAfterAsync(head, 0);
            var state = new State(head.Sequence, [], [], []);
            foreach (var operation in LogFold.Of(records).SelectMany(static record => record.Change.Operations))
            {
                if (operation is Operation.StoreManifest stored) state.Manifests.Add(stored.Digest);
                if (operation is Operation.SetLive live) state.Tags[live.Tag] = live.Digest;
            }
            // The links that these changes remove may still be there.
            foreach (var operation in records.Where(r => r.Sequence > head.Mirrored).SelectMany(static r => r.Change.Operations))
            {
                if (operation is Operation.RemoveManifest removed) state.Pending.Add(removed.Digest.ToString());
                if (operation is Operation.RemoveTag untagged) state.Pending.Add(untagged.Tag.Value);
            }
            return state;
        }
    }

    /// <summary>A link that no log may have.</summary>
    /// <param name="Tag">Null for a manifest.</param>
    /// <param name="IsNew">Whether the link is younger than the head: every link that a gateway still has to remove is older.</param>
    private sealed record Suspect(TagName? Tag, Digest Digest, bool IsNew);

    /// <summary>What a log says.</summary>
    /// <param name="Pending">Tags and digests that were removed, and whose links a gateway may still have to remove.</param>
    private sealed record State(
        long Sequence, HashSet<Digest> Manifests, Dictionary<TagName, Digest> Tags, HashSet<string> Pending)
    {
        public bool IsForeign(Suspect suspect) => suspect.Tag is { } tag
            ? Tags.GetValueOrDefault(tag) != suspect.Digest && (suspect.IsNew || !Pending.Contains(tag.Value))
            : !Manifests.Contains(suspect.Digest) && (suspect.IsNew || !Pending.Contains(suspect.Digest.ToString()));
    }
}

/// <summary>What a review found.</summary>
/// <param name="Compared">Repositories that were compared.</param>
/// <param name="All">Repositories that have a log.</param>
/// <param name="Foreign">Tags and manifests in distribution's layout that no gateway stored.</param>
/// <param name="ForeignExamples">Some of them, as references.</param>
/// <param name="Skipped">Repositories that were adopted without some objects.</param>
/// <param name="SkippedExamples">Some of the objects that list what was skipped.</param>
public sealed record BucketReviewed(
    int Compared, int All, int Foreign, IReadOnlyList<string> ForeignExamples, int Skipped, IReadOnlyList<string> SkippedExamples)
{
    /// <summary>
    /// For each log that cannot be read: what is wrong, and what to do. It is damaged, or a newer version of the gateway wrote it.
    /// </summary>
    public IReadOnlyList<string> Unreadable { get; init; } = [];
}
