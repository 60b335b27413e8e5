using System.Text;

namespace Gateway.Storage;

/// <summary>
/// Reads the objects of one repository that is adopted. An object that can never be read is skipped and reported, because it must not
/// keep the others away. A store that does not answer fails the adoption, which is tried again.
/// </summary>
/// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
internal sealed class AdoptedObjects(IBucket bucket, string prefix, string name)
{
    /// <summary>Lines of a report. Chosen: an operator reads no more, and the report says how many there were.</summary>
    private const int MostReported = 1000;

    private readonly Lock _lock = new();
    private readonly List<string> _skipped = [];
    private int _count;
    private int _read;
    private BucketException? _refused;

    /// <summary>The prefix of all reports.</summary>
    public static string ReportsPrefix(string prefix) => $"{prefix}gateway/skipped/";

    /// <summary>The object that lists what was skipped.</summary>
    public string Report { get; } = $"{ReportsPrefix(prefix)}{name}/_skipped";

    /// <summary>The number of objects that were skipped.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _count;
        }
    }

    /// <summary>The first object that was skipped, and why.</summary>
    public string First
    {
        get
        {
            lock (_lock) return _skipped.FirstOrDefault() ?? "";
        }
    }

    /// <summary>The bytes of an object; null when it can never be read, which is reported.</summary>
    /// <param name="most">The most bytes that the object may have.</param>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(string key, int most)
    {
        try
        {
            var read = await bucket.ReadAsync(key, most, null, CancellationToken.None);
            Interlocked.Increment(ref _read);
            if (read.ETag is not null) return read.Bytes;
            Skip(key, "expected an object, got none");
        }
        catch (InvalidDataException e)
        {
            Skip(key, e.Message);
        }
        catch (BucketException e) when (e.Status == 403)
        {
            // An archived object, or one with rights of its own. If the store refuses every read, the access key lacks the right.
            _refused = e;
            Skip(key, e.Problem);
        }
        return null;
    }

    /// <summary>The text of an object; null as <see cref="ReadAsync"/>.</summary>
    public async ValueTask<string?> ReadTextAsync(string key, int most) =>
        await ReadAsync(key, most) is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : null;

    /// <summary>The digest that a link has; empty when it cannot be read or has none, which is reported.</summary>
    public async ValueTask<Digest> ReadLinkAsync(string key)
    {
        // A link has at most "sha512:" and 128 digits, and perhaps a line break.
        const int MaxLink = 256;
        if (await ReadTextAsync(key, MaxLink) is not { } text) return default;
        if (Digest.TryParse(text.TrimEnd('\n'), out var digest)) return digest;
        Skip(key, "expected a digest, got other text");
        return default;
    }

    /// <summary>Reports an object that is not adopted.</summary>
    public void Skip(string key, string why)
    {
        lock (_lock)
        {
            _count++;
            if (_skipped.Count < MostReported) _skipped.Add($"{key}: {why}");
        }
    }

    /// <summary>Writes the report, if something was skipped. Throws when the store refused every read.</summary>
    public async Task WriteReportAsync()
    {
        if (_read == 0 && _refused is { } refused) throw refused;
        string text;
        lock (_lock)
        {
            if (_count == 0) return;
            text = $"{_count} objects of {name} could not be read and were not adopted\n{string.Join('\n', _skipped)}\n";
        }
        await bucket.PutAsync(Report, Encoding.UTF8.GetBytes(text), PutCondition.None, CancellationToken.None);
    }
}
