using System.Diagnostics.Metrics;

namespace Gateway.Storage;

/// <summary>
/// The lookup index: a faster answer to lookups of links and content. It may be lost at any time: while it is closed, and for records that
/// it does not have, the disk answers. It never throws into a request. When its files fail, it turns itself off until the next start, which
/// begins with an empty index.
/// </summary>
internal sealed class LinkIndex : IAsyncDisposable
{
    // A crash loses at most this much of the records, which only save time; the disk has the truth.
    private static readonly TimeSpan CheckpointEvery = TimeSpan.FromSeconds(60);

    // A checkpoint of 1 million records takes 0.2 to 0.5 s (measured).
    private static readonly TimeSpan LastCheckpointWithin = TimeSpan.FromSeconds(10);

    private readonly string _path;
    private readonly IndexFolder _folder;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly IndexTable<LinkKey, LinkRecord> _links;
    private readonly IndexTable<DigestKey, ContentRecord> _content;
    // Not disposed of: a late failure may still cancel it, and it holds no timer.
    private readonly CancellationTokenSource _stop = new();
    private readonly Meter _meter = new("Gateway.Storage");
    private readonly Task _run;
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;
    private long _checkpointedAt;
    private uint _completeSince;

    private LinkIndex(
        string folder, uint generation, TimeProvider clock, ILogger logger, IndexSizes links, IndexSizes content, bool isOff = false)
    {
        (_path, Generation, _clock, _logger, _completeSince) = (folder, generation, clock, logger, generation);
        _folder = new IndexFolder(folder, clock);
        _links = new IndexTable<LinkKey, LinkRecord>(links, TurnOff);
        _content = new IndexTable<DigestKey, ContentRecord>(content, TurnOff);
        _checkpointedAt = clock.GetTimestamp();
        Measure();
        _run = isOff ? Task.CompletedTask : Task.Run(RunAsync);
        if (!isOff) return;
        _failure = new IOException("the volume accepts no writes");
        _opened.TrySetResult();
    }

    /// <summary>
    /// The number of this process start. A record of an earlier start is used only after the disk confirms it; it is then written again.
    /// </summary>
    public uint Generation { get; }

    /// <summary>Whether the stores are open; while they are not, every lookup is a miss.</summary>
    public bool IsOn => _opened.Task.IsCompleted && _failure is null && !_stop.IsCancellationRequested;

    /// <summary>Ends when the stores are open or the index is off.</summary>
    public Task Opened => _opened.Task;

    /// <summary>Opens the lookup index in a folder. Returns at once; the stores open in the background.</summary>
    /// <param name="folder">
    /// Its folder. If the files cannot be used, the folder is renamed to <c>index.bad-time</c>; only the latest renamed folder is kept.
    /// </param>
    /// <param name="generation">The number of this process start, higher than that of every earlier start on this folder.</param>
    public static LinkIndex Open(string folder, uint generation, TimeProvider clock, ILogger logger) =>
        new(folder, generation, clock, logger, IndexSizes.Links, IndexSizes.Content);

    /// <summary>
    /// Creates a lookup index that stays off, for a volume that accepts no writes: nothing is read or written, and the disk answers.
    /// </summary>
    public static LinkIndex Off(string folder, TimeProvider clock, ILogger logger) =>
        new(folder, 0, clock, logger, IndexSizes.Links, IndexSizes.Content, isOff: true);

    /// <summary>Opens a lookup index with other sizes than the default.</summary>
    internal static LinkIndex Open(string folder, uint generation, TimeProvider clock, ILogger logger, IndexSizes sizes) =>
        new(folder, generation, clock, logger, sizes, sizes);

    /// <summary>
    /// Reads the record of a link. A record of an earlier start says at most that the link existed. Its verdict and parent are used only if
    /// every start since ended cleanly: after a crash, the newest record may be one that the gate had already revoked.
    /// </summary>
    internal bool TryRead(in LinkKey key, out LinkRecord record)
    {
        if (!_links.TryRead(in key, out record)) return false;
        if (record.Generation < _completeSince) record = record.WithoutVerdict();
        return true;
    }

    /// <summary>Sets the record of a link, as confirmed in this start.</summary>
    internal void Write(in LinkKey key, in LinkRecord record) => _links.Write(in key, record with { Generation = Generation });

    /// <summary>Removes the record of a link.</summary>
    internal void Remove(in LinkKey key) => _links.Remove(in key);

    /// <summary>Reads the record of some content's use.</summary>
    internal bool TryRead(in DigestKey content, out ContentRecord record) => _content.TryRead(in content, out record);

    /// <summary>Sets the record of some content's use.</summary>
    internal void Write(in DigestKey content, in ContentRecord record) => _content.Write(in content, in record);

    /// <summary>Removes the record of some content's use.</summary>
    internal void Remove(in DigestKey content) => _content.Remove(in content);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        _meter.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            using var timer = new PeriodicTimer(CheckpointEvery, _clock);
            Open();
            _opened.TrySetResult();
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await _links.CompactAsync();
                await _content.CompactAsync();
                await CheckpointAsync(_stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The index was closed or turned off.
        }
        catch (Exception failure)
        {
            TurnOff(failure);
        }
        await EndAsync();
        _opened.TrySetResult();
    }

    private void Open()
    {
        try
        {
            _completeSince = _folder.TakeCompleteSince(Generation);
            OpenStores(areNew: false);
        }
        catch (Exception failure)
        {
            Log.IndexSetAside(_logger, failure, _path);
            CloseStores();
            _folder.SetAside();
            _completeSince = Generation;
            OpenStores(areNew: true);
        }
    }

    private void OpenStores(bool areNew)
    {
        _links.Open(_folder.Links, areNew);
        _content.Open(_folder.Content, areNew);
    }

    private void CloseStores()
    {
        _links.Close();
        _content.Close();
    }

    private async Task CheckpointAsync(CancellationToken cancellationToken)
    {
        await _links.CheckpointAsync(cancellationToken);
        await _content.CheckpointAsync(cancellationToken);
        Volatile.Write(ref _checkpointedAt, _clock.GetTimestamp());
    }

    /// <summary>Makes all records durable. After a failure, sets the folder aside: its files lack the changes since.</summary>
    private async Task EndAsync()
    {
        try
        {
            if (_failure is null) await WriteLastAsync();
        }
        catch (Exception failure)
        {
            TurnOff(failure);
        }
        CloseStores();
        if (_failure is not null) SetAside();
    }

    private async Task WriteLastAsync()
    {
        using var limit = new CancellationTokenSource(LastCheckpointWithin, _clock);
        await CheckpointAsync(limit.Token);
        _folder.NoteCompleteSince(_completeSince);
    }

    private void SetAside()
    {
        try
        {
            _folder.SetAside();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Log.IndexOff(_logger, failure, _path);
        }
    }

    private void TurnOff(Exception failure)
    {
        if (Interlocked.CompareExchange(ref _failure, failure, null) is not null) return;
        Log.IndexOff(_logger, failure, _path);
        _ = _stop.CancelAsync();
    }

    private void Measure()
    {
        _meter.CreateObservableGauge("gateway.index.entries", CountEntries, "{record}", "Records in the lookup index, approximately");
        _meter.CreateObservableCounter("gateway.index.lookups", CountLookups, "{lookup}", "Reads of the lookup index");
        _meter.CreateObservableGauge(
            "gateway.index.checkpoint.age", () => _clock.GetElapsedTime(Volatile.Read(ref _checkpointedAt)).TotalSeconds,
            "s", "Age of the records that a crash would leave in the lookup index");
        _meter.CreateObservableGauge(
            "gateway.index.on", () => IsOn ? 1 : 0, "1", "1 when the lookup index is open and works, 0 when the disk answers everything");
    }

    private Measurement<long>[] CountEntries() => ByKind(_links.Count, _content.Count);

    private Measurement<long>[] CountLookups() => ByKind(_links.Reads, _content.Reads);

    private static Measurement<long>[] ByKind(long links, long content) =>
    [
        new(links, new KeyValuePair<string, object?>("kind", "link")),
        new(content, new KeyValuePair<string, object?>("kind", "content")),
    ];
}
