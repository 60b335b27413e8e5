using System.Net;
using System.Security.Cryptography;
using System.Text;
using BitFaster.Caching.Lru;

namespace Gateway.Access;

/// <summary>
/// Checks passwords against bcrypt hashes without computing one for each request. A correct password is remembered for some minutes, also
/// for requests that waited with it, and only a part of the cores computes. A changed hash is another key, so no entry outlives it.
/// </summary>
/// <param name="places">Maximum concurrent checks.</param>
/// <param name="verify">Whether a password matches a hash.</param>
internal sealed class Passwords(TimeProvider clock, int places, Func<string, string, bool> verify)
{
    /// <summary>How long a correct password is remembered.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(5);

    /// <summary>Maximum remembered passwords; with about 150 bytes each, less than a megabyte.</summary>
    private const int MaxRemembered = 4096;

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly ConcurrentLru<string, long> _right = new(MaxRemembered);

    /// <summary>At most one waiter per open request; a disconnected client leaves the queue.</summary>
    private readonly Turnstile _cores = new(places);

    /// <summary>Half of the cores check passwords; the others answer requests.</summary>
    public Passwords(TimeProvider clock) : this(clock, Math.Max(1, Environment.ProcessorCount / 2), Bcrypt.Verify)
    {
    }

    /// <summary>
    /// Whether this is the account's password. For an unknown account, pass a decoy hash, so that the check takes as long.
    /// </summary>
    /// <param name="remote">The address whose turn counts; null for all such callers together.</param>
    public async ValueTask<bool> IsRightAsync(
        BasicCredentials credentials, string hash, IPAddress? remote, CancellationToken cancellationToken)
    {
        var key = KeyOf(credentials, hash);
        if (IsRemembered(key)) return true;
        await _cores.EnterAsync(ClientAddress.GroupOf(remote), cancellationToken);
        try
        {
            // Several requests may have waited with the same password.
            if (IsRemembered(key)) return true;
            var isRight = await Task.Run(() => verify(credentials.Password, hash), CancellationToken.None);
            if (isRight) _right.AddOrUpdate(key, clock.GetTimestamp());
            return isRight;
        }
        finally
        {
            _cores.Leave();
        }
    }

    private bool IsRemembered(string key) => _right.TryGet(key, out var since) && clock.GetElapsedTime(since) < Remembered;

    /// <summary>A keyed hash, so that memory holds no password and no hash that could be attacked without this process's key.</summary>
    private string KeyOf(BasicCredentials credentials, string hash)
    {
        var whole = $"{credentials.Account.Length}:{credentials.Account}{credentials.Password.Length}:{credentials.Password}{hash}";
        return Convert.ToBase64String(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes(whole)));
    }
}
