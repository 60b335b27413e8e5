using System.Diagnostics;
using Gateway.Access;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>The repositories that have layers of an image.</summary>
/// <param name="Reference">The tag or digest that was asked for.</param>
/// <param name="Layers">Number of different layers of the image, and of the images below an index.</param>
/// <param name="Next">The value of <c>last</c> for the next page; null when this is the last one.</param>
/// <param name="Notice">Why repositories may be missing; null when none are.</param>
public sealed record LayerUsePage(
    string Repository, string Reference, string Digest, int Layers, IReadOnlyList<LayerUseRow> Items, string? Next, string? Notice);

/// <param name="Layers">Number of them.</param>
/// <param name="Bytes">Their size.</param>
public sealed record LayerUseRow(string Repository, int Layers, long Bytes);

/// <summary>
/// Finds the repositories that have layers of an image. No index knows them, so the folders of every repository are asked, for a time at
/// once; the next page goes on.
/// </summary>
internal sealed class LayerUses(StoredGates gates, KnownRepositories known, Elsewhere elsewhere, StoredRepositories stored)
{
    // Rows of a page.
    private const int Rows = 50;

    // Images below an index, and layers: no client builds images with more.
    private const int MostImages = 100;
    private const int MostLayers = 1000;

    // Chosen: a person waits for it without a doubt.
    private static readonly TimeSpan Time = TimeSpan.FromMilliseconds(400);

    // Repositories that a page asks however long it takes, so that a busy machine makes progress too.
    private const int LeastExamined = 20;

    private readonly PagePlaces _places = new();

    /// <summary>The page; null when the viewer sees no such manifest.</summary>
    /// <param name="reference">A tag or digest.</param>
    /// <param name="last">The repository before the page; null for the first page.</param>
    public async ValueTask<LayerUsePage?> ReadAsync(
        Viewer viewer, string repository, string reference, string? last, CancellationToken cancellationToken)
    {
        if (gates.Find(viewer, repository) is not var (routed, inspection)) return null;
        TagName? tag = TagName.TryParse(reference, out var named) ? named : null;
        if (tag is null & !Digest.TryParse(reference, out var digest)) return null;
        if (tag is { } bound) digest = inspection.LiveOf(bound);
        if (digest.IsEmpty || await inspection.ReadAsync(digest, cancellationToken) is not { } manifest) return null;
        if (!inspection.SeesHidden(viewer.In(routed.CanonicalName))
            && !(await inspection.VerdictAsync(manifest, tag, Stage.Pull, cancellationToken)).Admits) return null;
        var layers = await LayersAsync(inspection, manifest.Manifest, cancellationToken);
        var (rows, next, notice) = await UsersAsync(viewer, layers, _places.Read(last), cancellationToken);
        return new(routed.CanonicalName.Value, reference, digest.ToString(), layers.Count, rows, next, notice);
    }

    private static async ValueTask<Dictionary<Digest, long>> LayersAsync(
        Inspection inspection, Manifest manifest, CancellationToken cancellationToken)
    {
        var layers = new Dictionary<Digest, long>();
        Add(manifest);
        foreach (var child in manifest.Children.Take(MostImages))
        {
            if (await inspection.ReadAsync(child.Digest, cancellationToken) is { } image) Add(image.Manifest);
        }
        return layers;

        void Add(Manifest one)
        {
            foreach (var layer in one.Layers.Take(MostLayers - layers.Count)) layers[layer.Digest] = layer.Size;
        }
    }

    private async ValueTask<(List<LayerUseRow> Rows, string? Next, string? Notice)> UsersAsync(
        Viewer viewer, Dictionary<Digest, long> layers, string? last, CancellationToken cancellationToken)
    {
        var (begun, rows, examined) = (Stopwatch.GetTimestamp(), new List<LayerUseRow>(), 0);
        var (names, isComplete) = await known.AfterAsync(gates.Router, last);
        foreach (var each in layers.Count == 0 ? [] : names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (examined++ >= LeastExamined && Stopwatch.GetElapsedTime(begun) > Time)
                return (rows, _places.Hide(last!), "Not all repositories were asked; the next page asks further.");
            if (await HadAsync(viewer, each, layers, cancellationToken) is { Count: > 0 } had)
            {
                if (rows.Count == Rows) return (rows, rows[^1].Repository, null);
                rows.Add(new(each.Name.Value, had.Count, Sizes.Sum(had.Select(layer => layers[layer]))));
            }
            last = each.Name.Value;
        }
        return (rows, null, RepositoryPages.NoticeOf(isComplete));
    }

    // The layers that a repository has and that the viewer could pull from it.
    private async ValueTask<List<Digest>> HadAsync(
        Viewer viewer, KnownRepository each, Dictionary<Digest, long> layers, CancellationToken cancellationToken)
    {
        var had = layers.Keys.Where(layer => elsewhere.Has(each, layer)).ToList();
        if (had.Count == 0 || gates.Find(viewer, each.Name) is not var (routed, inspection)) return [];
        if (routed.CanonicalName != each.Name || routed.Source is null != each.Folder is null) return [];
        if (inspection.Policy is null || inspection.SeesHidden(viewer.In(each.Name))) return had;
        var shown = new List<Digest>();
        foreach (var layer in had)
        {
            if (await IsAdmittedAsync(inspection, each, layer, cancellationToken)) shown.Add(layer);
        }
        return shown;
    }

    // By the manifest that the link says admits it; another one that does is not looked for.
    private async ValueTask<bool> IsAdmittedAsync(
        Inspection inspection, KnownRepository each, Digest layer, CancellationToken cancellationToken)
    {
        var part = each.Folder is { } folder ? stored.Cached(folder, each.Own) : stored.Pushed(each.Own);
        return part.FindLink(LinkKind.Blob, layer) is { Parent: { IsEmpty: false } parent }
            && await inspection.ReadAsync(parent, cancellationToken) is { } manifest
            && (await inspection.VerdictAsync(manifest, null, Stage.Pull, cancellationToken)).Admits;
    }
}
