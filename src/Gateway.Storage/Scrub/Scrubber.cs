using System.Buffers;

namespace Gateway.Storage;

/// <summary>
/// Reads every blob and manifest at a limited rate, and compares digests; then compares links, sizes and tags. Damaged content is set aside
/// (<see cref="Damage"/>), and healed if whole bytes are here in another place, or at an upstream that may be asked for them.
/// </summary>
public sealed class Scrubber
{
    // Bytes that are read and hashed at a time, as in fetches.
    private const int BufferSize = 256 * 1024;

    private readonly Roots _roots;
    private readonly StoredRepositories _repositories;
    private readonly VolumeContent _content;
    private readonly ManifestCache _manifests;
    private readonly Damage _damage;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    internal Scrubber(
        Roots roots, StoredRepositories repositories, VolumeContent content, ManifestCache manifests, Damage damage, TimeProvider clock,
        ILogger logger)
    {
        (_roots, _repositories, _content, _manifests) = (roots, repositories, content, manifests);
        (_damage, _clock, _logger) = (damage, clock, logger);
    }

    /// <summary>Scrubs once. Throws <see cref="UnreadableException"/> when a folder cannot be read.</summary>
    /// <param name="report">Receives the progress; called often.</param>
    /// <param name="fetch">Fetches damaged content from an upstream; null to ask none.</param>
    public async Task<ScrubReport> RunAsync(
        ScrubRequest request, Action<ScrubProgress> report, FetchAgain? fetch, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(report);
        var found = new Found();
        var healing = new ContentHealing(_roots, _content, _damage, fetch, _logger);
        foreach (var (lifetime, digest, bytes) in _damage.Aside.ToArray())
        {
            if (healing.BringBack(lifetime, digest))
                found.Add(new(lifetime, digest, bytes, "could not be read earlier, and is whole"), whyNotHealed: null);
            else await HealAsync(new(lifetime, digest, bytes, "was set aside earlier"), healing, found, stop);
        }
        var rate = new ReadRate(request.BytesPerSecond, _clock);
        // The store of a bucket checks its content itself; the local disk has copies of it in the cached root.
        foreach (var root in _roots.All.Where(static root => !root.IsShared))
            await ReadAsync(root, request.Cursor, rate, healing, found, report, stop);
        var files = new ManifestFiles(_manifests, _content, _roots.All);
        var links = new LinkScrub(_content, files, _clock, found.Damaged.Keys.Select(static key => key.Digest));
        foreach (var root in _roots.All.Where(static root => root.Lifetime != Lifetime.Cached && !root.IsShared))
            await links.RunAsync(root, path => _repositories.Of(root, path), report, stop);
        DamagedContent[] damaged =
        [
            .. found.Damaged.Select(each => each.Key.Lifetime == Lifetime.Cached
                ? each.Value
                : each.Value with { NeededBy = links.NeededBy(each.Key.Digest) }),
        ];
        return new(found.Contents, found.Bytes, damaged, links.Problems, found.Unlisted + links.Unlisted);
    }

    private async Task ReadAsync(
        Root root, string? cursor, ReadRate rate, ContentHealing healing, Found found, Action<ScrubProgress> report, CancellationToken stop)
    {
        var name = NameOf(root.Lifetime);
        foreach (var algorithm in Disk.FoldersIn(root.Blobs).Order(StringComparer.Ordinal))
        {
            foreach (var group in Disk.FoldersIn(algorithm).Order(StringComparer.Ordinal))
            {
                var at = $"{(int)root.Lifetime}/{Path.GetFileName(algorithm)}/{Path.GetFileName(group)}";
                if (string.CompareOrdinal(at, cursor) < 0) continue;
                foreach (var folder in Disk.FoldersIn(group))
                {
                    stop.ThrowIfCancellationRequested();
                    report(new($"{name}: content", found.Bytes, null, "bytes", at));
                    if (Digest.TryParse($"{Path.GetFileName(algorithm)}:{Path.GetFileName(folder)}", out var digest))
                        await CheckAsync(root, digest, rate, healing, found, stop);
                }
            }
        }
    }

    private async Task CheckAsync(
        Root root, Digest digest, ReadRate rate, ContentHealing healing, Found found, CancellationToken stop)
    {
        if (Disk.LengthOf(root.Data(digest)) is not { } length) return;
        found.Contents++;
        if (await WhyDamagedAsync(root, digest, rate, found, stop) is { } why)
            await HealAsync(new(root.Lifetime, digest, length, why), healing, found, stop);
    }

    private async Task HealAsync(FoundDamage damaged, ContentHealing healing, Found found, CancellationToken stop)
    {
        var (lifetime, digest) = (damaged.Lifetime, damaged.Digest);
        var (known, wanted) = (_manifests.Find(digest), healing.Want(digest));
        // Reads it again in every root: sets it aside, or removes it from the cache. A push may have replaced it meanwhile.
        var examined = await _content.ExamineAsync(digest);
        if (lifetime != Lifetime.Cached && !examined.IsDamaged) return;
        found.Add(damaged, await healing.HealAsync(lifetime, wanted, known, examined.Length, stop));
    }

    private readonly record struct FoundDamage(Lifetime Lifetime, Digest Digest, long Bytes, string Why);

    // Null when the file has its digest, or was removed meanwhile.
    private static async Task<string?> WhyDamagedAsync(
        Root root, Digest digest, ReadRate rate, Found found, CancellationToken stop)
    {
        using var file = Disk.Open(root.Data(digest));
        if (file is null) return null;
        using var hash = new ContentHash(digest.Algorithm);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            // From the disk, not from memory; and what clients have in memory is not displaced by what they do not read.
            Posix.DropCached(file);
            for (long at = 0; RandomAccess.Read(file, buffer, at) is var read and > 0; at += read)
            {
                hash.AppendData(buffer, 0, read);
                found.Bytes += read;
                await rate.TakeAsync(read, stop);
            }
            Posix.DropCached(file);
        }
        catch (IOException e) when (Damage.IsOfTheDisk(e))
        {
            return $"cannot be read: {Disk.WhyOf(e)}";
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        var got = Digest.FromHash(digest.Algorithm, hash.GetCurrentHash());
        return got == digest ? null : $"expected bytes of {digest}, got {got}";
    }

    /// <summary>What one scrub has found so far.</summary>
    private sealed class Found
    {
        public Dictionary<(Lifetime Lifetime, Digest Digest), DamagedContent> Damaged { get; } = [];

        public long Contents { get; set; }

        public long Bytes { get; set; }

        public long Unlisted { get; private set; }

        public void Add(FoundDamage damage, string? whyNotHealed)
        {
            var (lifetime, digest, bytes, why) = damage;
            if (Damaged.Count < ScrubReport.MaxListed)
                Damaged[(lifetime, digest)] = new(NameOf(lifetime), digest.ToString(), bytes, why, whyNotHealed is null, [])
                {
                    WhyNotHealed = whyNotHealed,
                };
            else Unlisted++;
        }
    }

    internal static string NameOf(Lifetime lifetime) => lifetime.ToString().ToLowerInvariant();
}

/// <summary>Limits the bytes of a second, in steps of a tenth.</summary>
internal sealed class ReadRate(long bytesPerSecond, TimeProvider clock)
{
    private long _since = clock.GetTimestamp();
    private long _taken;

    /// <summary>Waits until this many more bytes may be read.</summary>
    public async ValueTask TakeAsync(long bytes, CancellationToken stop)
    {
        _taken += bytes;
        if (_taken < bytesPerSecond / 10) return;
        var due = TimeSpan.FromSeconds((double)_taken / bytesPerSecond) - clock.GetElapsedTime(_since);
        if (due > TimeSpan.Zero) await Task.Delay(due, stop);
        (_since, _taken) = (clock.GetTimestamp(), 0);
    }
}
