using System.Threading.Channels;

namespace Gateway.Replicas;

/// <summary>
/// Tells the other replicas which repositories of the bucket that they share were changed here, so that they need not wait for their next
/// poll. A notice that is lost, late or forged changes nothing but that time: what a replica hears, it reads from the bucket.
/// </summary>
internal sealed class ChangeNews(Members members, PeerClient peers) : BackgroundService
{
    /// <summary>Names in one notice. Chosen: with names of the longest kind (255 bytes), the request line stays below 8 KiB.</summary>
    public const int MostNames = 24;

    /// <summary>Names that wait to be told. Chosen: more are left to the poll.</summary>
    private const int MostWaiting = 1024;

    // Several changes of one repository become one name of a notice.
    private readonly Channel<string> _changed = Channel.CreateBounded<string>(
        new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>
    /// Receives the name of each repository that another replica has changed; null without a bucket. Set before the gateway starts.
    /// </summary>
    public Action<string>? Hear { get; set; }

    /// <summary>Tells all other replicas soon that a repository was changed here.</summary>
    public void Tell(string repository) => _changed.Writer.TryWrite(repository);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _changed.Reader.WaitToReadAsync(stoppingToken))
            {
                var names = new HashSet<string>(StringComparer.Ordinal);
                while (names.Count < MostNames && _changed.Reader.TryRead(out var name)) names.Add(name);
                var query = string.Join('&', names.Select(static name => $"name={Uri.EscapeDataString(name)}"));
                // A replica that does not answer in time polls.
                await Task.WhenAll(members.Others.Where(each => members.IsReachable(each.Url)).Select(
                    each => peers.TellAsync(each.Url, $"{PeerPaths.ChangedPath}?{query}", peers.ProbeDeadline, stoppingToken)));
            }
        }
        catch (OperationCanceledException)
        {
            // The gateway ends.
        }
    }
}
