using System.Text;

namespace Gateway.Storage;

/// <summary>
/// Compares distribution's layout in a shared bucket with the logs: it finds what another program wrote beside the gateways, and what an
/// adoption skipped. It only reads.
/// </summary>
public static class BucketReview
{
    /// <summary>Examples of each kind. Chosen: enough to recognize the program that wrote them.</summary>
    public const int MostExamples = 5;

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
        var (compared, notRead, names) = (0, 0, new HashSet<string>(StringComparer.Ordinal));
        var (foreign, unreadable) = (new List<string>(), new List<string>());
        await foreach (var head in bucket.ListAsync(LogObjects.HeadsPrefix(prefix), null, cancellationToken))
        {
            if (!RepositoryName.TryParse(LogObjects.NameOf(head.Key, prefix), out var name)) continue;
            names.Add(name.Value);
            if (clock.GetElapsedTime(began) > limit) continue;
            compared++;
            var comparison = new Comparison(bucket, prefix, name.Value);
            try
            {
                foreign.AddRange(await comparison.RunAsync(head.Facts.Written, cancellationToken));
            }
            catch (UnreadableLogException e)
            {
                unreadable.Add(e.Message);
            }
            notRead += comparison.NotRead;
        }
        var skipped = new List<string>();
        var reports = AdoptedObjects.ReportsPrefix(prefix);
        await foreach (var report in bucket.ListAsync(reports, null, cancellationToken)) skipped.Add(report.Key);
        var unadopted = await UnadoptedAsync(bucket, prefix, names, () => clock.GetElapsedTime(began) > limit, cancellationToken);
        return new(compared, names.Count, foreign.Count, [.. foreign.Take(MostExamples)], skipped.Count, [.. skipped.Take(MostExamples)])
        {
            Unreadable = unreadable, NotRead = notRead, Unadopted = unadopted,
        };
    }

    /// <summary>
    /// The repositories that only the layout has, although the gateways have adopted what was there: another program made them.
    /// </summary>
    private static async Task<IReadOnlyList<string>> UnadoptedAsync(
        IBucket bucket, string prefix, HashSet<string> logged, Func<bool> isLate, CancellationToken cancellationToken)
    {
        var unadopted = new List<string>();
        // Until then, a gateway adopts them soon.
        if (await bucket.HeadAsync(SharedPoll.AdoptedMark(prefix), cancellationToken) is null) return unadopted;
        await foreach (var name in LayoutLinks.NamesAsync(bucket, prefix, cancellationToken))
        {
            if (isLate()) break;
            if (logged.Contains(name) || !RepositoryName.TryParse(name, out _)) continue;
            // A gateway may have made it since the list of heads. The order matters: a gateway writes the head before the links.
            var folder = $"{prefix}docker/registry/v2/repositories/{name}";
            var head = new LogObjects(bucket, prefix, name, Guid.NewGuid).Key;
            var hasLinks = await HasLinkAsync(bucket, $"{folder}/_layers/", cancellationToken)
                || await HasLinkAsync(bucket, $"{folder}/_manifests/", cancellationToken);
            if (hasLinks && await bucket.HeadAsync(head, cancellationToken) is null) unadopted.Add(name);
        }
        return unadopted;
    }

    // Uploads that a client of registry:2 abandoned are no content.
    private static async ValueTask<bool> HasLinkAsync(IBucket bucket, string folder, CancellationToken cancellationToken)
    {
        await foreach (var found in bucket.ListAsync(folder, null, cancellationToken))
        {
            if (found.Key.EndsWith("/link", StringComparison.Ordinal)) return true;
        }
        return false;
    }

    /// <summary>Compares one repository.</summary>
    private sealed class Comparison(IBucket bucket, string prefix, string name)
    {
        /// <summary>
        /// Tag links of a repository that are read. Chosen: in most stores, only those that another program wrote are read at all.
        /// </summary>
        private const int MostRead = 100;

        // A link has at most "sha512:" and 128 digits, and perhaps a line break.
        private const int MaxLink = 256;

        private readonly LogObjects _log = new(bucket, prefix, name, Guid.NewGuid);
        private readonly Root _layout = new($"{prefix}docker/registry/v2", Lifetime.Pushed);

        /// <summary>Tag links that may be of another program, and were not read because there were too many.</summary>
        public int NotRead { get; private set; }

        /// <summary>What the layout has that no gateway wrote, each in a few words.</summary>
        /// <param name="written">When the head was written.</param>
        public async Task<IReadOnlyList<string>> RunAsync(DateTimeOffset written, CancellationToken cancellationToken)
        {
            var before = await StateAsync();
            var (suspects, etags, reads) = (new List<Suspect>(), new Dictionary<Digest, string>(), 0);
            var folder = $"{_layout.Repository(name)}/_manifests/";
            await foreach (var found in bucket.ListAsync(folder, null, cancellationToken))
            {
                var isNew = found.Facts.Written > written;
                Suspect? suspect = null;
                switch (found.Key[folder.Length..].Split('/'))
                {
                    case ["revisions", var algorithm, var hex, "link"] when Digest.TryParse($"{algorithm}:{hex}", out var digest):
                        etags[digest] = found.Facts.ETag;
                        suspect = new(null, digest, isNew);
                        break;
                    case ["tags", var text, "current", "link"] when TagName.TryParse(text, out var tag):
                        // Links to the same digest have the same bytes, of which most stores make the ETag.
                        if (before.Tags.TryGetValue(tag, out var live) && etags.GetValueOrDefault(live) == found.Facts.ETag) break;
                        if (reads++ < MostRead) suspect = new(tag, await ReadLinkAsync(found.Key, cancellationToken), isNew);
                        else NotRead++;
                        break;
                }
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
            var mirrored = new Dictionary<TagName, Digest>();
            foreach (var record in records)
            {
                foreach (var operation in record.Change.Operations)
                    state.Apply(operation, record.Sequence > head.Mirrored ? null : mirrored);
            }
            // The links that the last changes replace or remove may still be there.
            foreach (var (tag, digest) in mirrored.Where(each => state.Tags.GetValueOrDefault(each.Key) != each.Value))
                state.Late.Add($"{tag} {digest}");
            return state;
        }
    }

    /// <summary>A link that no log may have.</summary>
    /// <param name="Tag">Null for a manifest.</param>
    /// <param name="IsNew">Whether the link is younger than the head: every link that a gateway still has to remove is older.</param>
    private sealed record Suspect(TagName? Tag, Digest Digest, bool IsNew);

    /// <summary>What a log says.</summary>
    /// <param name="Late">Links that the last changes replace or remove, and that a gateway may not have written yet.</param>
    private sealed record State(long Sequence, HashSet<Digest> Manifests, Dictionary<TagName, Digest> Tags, HashSet<string> Late)
    {
        /// <param name="mirrored">What the links of the tags say; null for a change that they may not have yet.</param>
        public void Apply(Operation operation, Dictionary<TagName, Digest>? mirrored)
        {
            switch (operation)
            {
                case Operation.StoreManifest stored:
                    Manifests.Add(stored.Digest);
                    break;
                case Operation.RemoveManifest removed:
                    Manifests.Remove(removed.Digest);
                    if (mirrored is null) Late.Add(removed.Digest.ToString());
                    break;
                case Operation.SetLive live:
                    Tags[live.Tag] = live.Digest;
                    if (mirrored is null) Late.Add($"{live.Tag} {live.Digest}");
                    else mirrored[live.Tag] = live.Digest;
                    break;
                case Operation.RemoveTag untagged:
                    Tags.Remove(untagged.Tag);
                    mirrored?.Remove(untagged.Tag);
                    break;
            }
        }

        public bool IsForeign(Suspect suspect) => suspect.Tag is { } tag
            ? Tags.GetValueOrDefault(tag) != suspect.Digest && (suspect.IsNew || !Late.Contains($"{tag} {suspect.Digest}"))
            : !Manifests.Contains(suspect.Digest) && (suspect.IsNew || !Late.Contains(suspect.Digest.ToString()));
    }
}

/// <summary>What a review found.</summary>
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

    /// <summary>Tags whose links may be of another program, and were not read because there were too many of them.</summary>
    public int NotRead { get; init; }

    /// <summary>
    /// Repositories of distribution's layout without a log, as far as they were listed, after the gateways have adopted all that was there.
    /// </summary>
    public IReadOnlyList<string> Unadopted { get; init; } = [];
}
