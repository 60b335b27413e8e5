using Amazon.Runtime;

namespace Gateway.Storage;

/// <summary>
/// Credentials from two files, which are read again while the gateway runs: rotated ones apply within 5 s, or at once after the store has
/// refused the former.
/// </summary>
internal sealed class S3Credentials(string accessKeyFile, string secretKeyFile, TimeProvider clock) : AWSCredentials
{
    // Chosen: two small reads in 5 s cost nothing, and a rotation waits no longer.
    private static readonly TimeSpan ReadEvery = TimeSpan.FromSeconds(5);

    // Longest line of a key that is read. AWS: 128 characters for an access key; secrets of other stores are not longer.
    private const int MaxKey = 1024;

    private readonly Lock _gate = new();
    private ImmutableCredentials? _read;
    private long _readAt;
    private int _version;

    public override ImmutableCredentials GetCredentials()
    {
        lock (_gate)
        {
            if (_read is null || clock.GetElapsedTime(_readAt) >= ReadEvery) Read();
            return _read!;
        }
    }

    public override Task<ImmutableCredentials> GetCredentialsAsync() => Task.FromResult(GetCredentials());

    /// <summary>The number of the credentials that are used now; each that differ from the former have the next one.</summary>
    public int Version
    {
        get
        {
            lock (_gate) return _version;
        }
    }

    /// <summary>
    /// Whether there are other credentials than those of a version. Reads the files, unless another call has read others since.
    /// </summary>
    public bool HasOthersThan(int version)
    {
        lock (_gate)
        {
            if (_version == version) Read();
            return _version != version;
        }
    }

    // A file that cannot be read now, as in the middle of a rotation, does not end what works.
    private void Read()
    {
        try
        {
            var before = _read;
            _read = new(KeyIn(accessKeyFile), KeyIn(secretKeyFile), null);
            if (before is not null && (before.AccessKey != _read.AccessKey || before.SecretKey != _read.SecretKey)) _version++;
        }
        catch (Exception e) when (_read is not null && e is IOException or UnauthorizedAccessException)
        {
        }
        _readAt = clock.GetTimestamp();
    }

    private static string KeyIn(string file)
    {
        using var reader = new StreamReader(file);
        var text = new char[MaxKey + 1];
        var length = reader.ReadBlock(text);
        var key = new string(text, 0, length).Trim();
        return length <= MaxKey && key.Length > 0 && !key.Any(char.IsWhiteSpace)
            ? key
            : throw new IOException($"expected one key in one line of at most {MaxKey} characters in {file}, got other text");
    }
}
