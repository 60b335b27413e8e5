using System.Diagnostics.Metrics;

namespace Gateway.Transport;

/// <summary>
/// The memory that documents may take while they are received, for all requests together: manifests that clients push, and responses of
/// upstreams. An announced length takes nothing. One holder gets a quarter at most, so that a client that sends slowly does not keep
/// the others from pushing.
/// </summary>
internal sealed class DocumentBudget
{
    // Four manifests of 4 MiB, the usual limit, each of them copied once more. All four shares have room for the largest manifest that can
    // be configured (policy.parser.maxManifestBytes: 32 MiB).
    private const long LeastShare = 32L << 20;

    // Reading a document may take ten times its length for a moment (ManifestCostTests); so much of the memory is left for all else.
    private const long PartOfMemory = 32;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _byHolder = new(StringComparer.Ordinal);
    private readonly Counter<long>? _refused;

    /// <param name="bytes">Most bytes for all holders.</param>
    /// <param name="share">Most bytes for one.</param>
    public DocumentBudget(long bytes, long share) => (Bytes, Share) = (bytes, share);

    private DocumentBudget(long share, Meter meter)
        : this(4 * share, share)
    {
        meter.CreateObservableGauge("gateway.documents.bytes", () => Held, "By", "Memory of documents that are being received.");
        _refused = meter.CreateCounter<long>("gateway.documents.refused", description: "Documents refused because that memory was in use.");
    }

    /// <summary>That of this process: an eighth of the memory that the runtime may use, and at least 128 MiB.</summary>
    public static DocumentBudget OfProcess { get; } = new(
        Math.Max(LeastShare, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / PartOfMemory), new Meter("Gateway.Documents"));

    /// <summary>Most bytes for all holders.</summary>
    public long Bytes { get; }

    /// <summary>Most bytes for one holder.</summary>
    public long Share { get; }

    /// <summary>Bytes that are held now.</summary>
    public long Held { get; private set; }

    /// <summary>Starts to receive a document; disposing of the receipt returns its memory.</summary>
    /// <param name="holder">The sender: an account, an address, or the upstreams.</param>
    public Receipt Receive(string holder) => new(this, holder);

    private bool TryTake(string holder, long bytes, long already)
    {
        lock (_lock)
        {
            var own = _byHolder.GetValueOrDefault(holder);
            // One document that is larger than a share is received alone.
            if (Held + bytes <= Bytes && (own + bytes <= Share || own == already))
            {
                Held += bytes;
                _byHolder[holder] = own + bytes;
                return true;
            }
        }
        _refused?.Add(1);
        return false;
    }

    private void Give(string holder, long bytes)
    {
        if (bytes == 0) return;
        lock (_lock)
        {
            Held -= bytes;
            if ((_byHolder[holder] -= bytes) == 0) _byHolder.Remove(holder);
        }
    }

    /// <summary>The memory that one document has taken so far.</summary>
    public sealed class Receipt(DocumentBudget budget, string holder) : IDisposable
    {
        private long _bytes;

        /// <summary>Takes more bytes. Throws <see cref="DocumentBudgetException"/> if none remain.</summary>
        public void Take(long bytes)
        {
            if (!budget.TryTake(holder, bytes, _bytes))
                throw new DocumentBudgetException(
                    $"too many documents are being received: expected at most {budget.Share >> 20} MiB from one sender and "
                    + $"{budget.Bytes >> 20} MiB in all; send the document again");
            _bytes += bytes;
        }

        /// <summary>Returns bytes.</summary>
        public void Give(long bytes)
        {
            budget.Give(holder, bytes);
            _bytes -= bytes;
        }

        public void Dispose() => Give(_bytes);
    }
}

/// <summary>No memory remains for another document now: 503, and the sender tries again.</summary>
internal sealed class DocumentBudgetException(string message) : IOException(message);
