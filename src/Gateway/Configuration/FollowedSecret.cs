namespace Gateway.Configuration;

/// <summary>
/// A secret in a file, which is read again within a second of a change. While the file cannot be read, the last secret stays in use.
/// </summary>
/// <param name="file">See <see cref="TokenFile"/>.</param>
/// <param name="unread">Receives why the file cannot be read.</param>
internal sealed class FollowedSecret(string file, TimeProvider clock, Action<string> unread)
{
    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private string? _secret;
    private long _readAt;

    /// <summary>The secret; null while it could never be read. The same instance until the file has another.</summary>
    public string? Value
    {
        get
        {
            lock (_gate)
            {
                if (_secret is { } known && clock.GetElapsedTime(_readAt) < ReadAgainAfter) return known;
                try
                {
                    var read = TokenFile.Read(file);
                    if (read != _secret) _secret = read;
                }
                catch (IOException e)
                {
                    unread(e.Message);
                }
                _readAt = clock.GetTimestamp();
                return _secret;
            }
        }
    }
}
