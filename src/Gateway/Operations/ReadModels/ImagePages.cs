using System.Text;
using Gateway.Access;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>Makes the page of one manifest.</summary>
internal sealed class ImagePages(StoredGates gates, TagPages tags, ManifestReadings readings, ReferrerTrees trees)
{
    /// <summary>Most tags of a manifest that the page lists.</summary>
    public const int MostTags = 20;

    // Most entries of an index, and most layers, that the page lists: no client builds images with more layers.
    private const int MostEntries = 200;

    // Most bytes of a manifest that the page shows.
    private const int MostText = 256 << 10;

    /// <summary>The page; null when the viewer sees no such manifest.</summary>
    /// <param name="reference">A tag or digest.</param>
    public async ValueTask<ImagePage?> ReadAsync(
        Viewer viewer, string repository, string reference, CancellationToken cancellationToken)
    {
        if (gates.Find(viewer, repository) is not var (routed, inspection)) return null;
        TagName? tag = TagName.TryParse(reference, out var named) ? named : null;
        if (tag is null & !Digest.TryParse(reference, out var digest)) return null;
        var caller = viewer.In(routed.CanonicalName);
        var seesHidden = inspection.SeesHidden(caller);
        var held = tag is { } mine && seesHidden ? inspection.HeldPushes().GetValueOrDefault(mine) : null;
        var stage = Stage.Pull;
        if (tag is { } bound)
        {
            digest = inspection.LiveOf(bound);
            if (digest.IsEmpty && held is not null) (digest, stage) = (held.Digest, Stage.Push);
        }
        if (digest.IsEmpty || await inspection.ReadAsync(digest, cancellationToken) is not { } manifest) return null;
        var verdict = await inspection.VerdictAsync(manifest, tag, stage, cancellationToken);
        if (!verdict.Admits && !seesHidden) return null;
        var subject = new Subject(
            inspection, caller, manifest, verdict, stage, tags.MayDelete(viewer, routed, caller), tags.MayPush(routed, caller));
        return await MakeAsync(subject, routed.CanonicalName.Value, tag, held, cancellationToken);
    }

    private sealed record Subject(
        Inspection Inspection, Caller Caller, StoredManifest Manifest, Verdict Verdict, Stage Stage, bool MayDelete, bool MayPush);

    private async ValueTask<ImagePage> MakeAsync(
        Subject subject, string name, TagName? tag, HeldPush? held, CancellationToken cancellationToken)
    {
        var (inspection, stored, verdict) = (subject.Inspection, subject.Manifest, subject.Verdict);
        var (manifest, digest) = (stored.Manifest, stored.Digest);
        var facts = await readings.OfAsync(inspection, stored, cancellationToken);
        var (config, history) = await ImageConfigViews.ReadAsync(inspection, manifest, cancellationToken);
        var (referrers, hasMore) = await trees.ReadAsync(inspection, subject.Caller, digest, verdict, cancellationToken);
        var (names, hasMoreTags) = await inspection.TagsOfAsync(new HashSet<Digest> { digest }, MostTags, cancellationToken);
        var shown = new List<string>();
        foreach (var (one, _) in names)
        {
            if (inspection.SeesHidden(subject.Caller) || await inspection.ShowsNameAsync(one, cancellationToken)) shown.Add(one.Value);
        }
        return new(
            name, tag?.Value ?? digest.ToString(), tag?.Value, digest.ToString(), manifest.MediaType, manifest.ArtifactType,
            ContentKinds.Of(manifest, tag), facts.Size, await inspection.FirstSeenAsync(digest), facts.Created,
            subject.MayDelete)
        {
            Tags = shown,
            HasMoreTags = hasMoreTags,
            Annotations = manifest.Annotations.Take(ImageConfigViews.MostEntries)
                .DistinctBy(static each => ImageConfigViews.Cut(each.Key))
                .ToDictionary(static each => ImageConfigViews.Cut(each.Key), static each => ImageConfigViews.Cut(each.Value)),
            HasMoreAnnotations = manifest.Annotations.Count > ImageConfigViews.MostEntries,
            Platforms = await PlatformsAsync(inspection, manifest, cancellationToken),
            Layers = Layers(manifest, history),
            Config = config,
            Chart = await ChartFiles.ReadAsync(inspection, manifest, cancellationToken),
            Referrers = referrers,
            HasMoreReferrers = hasMore,
            Signature = await SignatureStates.OfAsync(inspection, digest, verdict, cancellationToken),
            Verdict = View(verdict, subject.Stage),
            Held = held is null ? null : TagPages.Summary(held),
            History = tag is { } named ? await Rollbacks.HistoryAsync(inspection, subject.Caller, named, cancellationToken) : [],
            MayRollBack = tag is not null && subject.MayPush,
            Manifest = stored.Bytes.Length <= MostText ? Encoding.UTF8.GetString(stored.Bytes.Span) : null,
        };
    }

    private async ValueTask<List<PlatformRow>> PlatformsAsync(
        Inspection inspection, Manifest index, CancellationToken cancellationToken)
    {
        var rows = new List<PlatformRow>();
        foreach (var child in index.Children.Take(MostEntries))
        {
            var image = await inspection.ReadAsync(child.Digest, cancellationToken);
            var facts = image is null ? null : await readings.OfAsync(inspection, image, cancellationToken);
            var kind = image is null ? child.ArtifactType ?? child.MediaType : ContentKinds.Of(image.Manifest).Word;
            var platform = child.Platform is { } p && ManifestReadings.IsImage(child)
                ? ManifestReadings.TextOf(p.Os, p.Architecture, p.Variant)
                : facts?.Platforms is [var first, ..] ? first : kind;
            rows.Add(new(platform, child.Digest.ToString(), child.MediaType, facts?.Size));
        }
        return rows;
    }

    private static List<LayerRow> Layers(Manifest manifest, IReadOnlyList<string> history) =>
    [
        .. manifest.Layers.Take(MostEntries).Select((layer, i) => new LayerRow(
            layer.Digest.ToString(), layer.MediaType, layer.Size, i < history.Count ? history[i] : null,
            layer.Annotations.GetValueOrDefault("org.opencontainers.image.title") is { } title ? ImageConfigViews.Cut(title) : null)),
    ];

    public static VerdictView View(Verdict verdict, Stage stage) => new(
        ExplanationForm.Name(stage), ExplanationForm.Name(verdict.Outcome), [.. verdict.Rules.Select(ExplanationForm.Answer)],
        [.. verdict.Evidence.Select(ExplanationForm.Answer)], verdict.Until, verdict.Unknown);
}
