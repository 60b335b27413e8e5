using System.Globalization;

namespace Gateway.Repositories;

/// <summary>The gateway does not unpack a blob for this account now. The message completes a sentence that begins "the blob …".</summary>
internal sealed class UnpackingRefusedException(string why) : Exception(why);

/// <summary>
/// Decides which account's blob is unpacked next. A few kilobytes may unpack to gigabytes, so one account could make all others wait.
/// Accounts therefore take turns, none gets all slots, and each has a limit of bytes per hour. All pulls count as one account without that
/// limit, because their bytes come from upstreams.
/// </summary>
/// <param name="slots">How many blobs are unpacked concurrently; at least 2.</param>
internal sealed class UnpackingTurns(int slots, TimeProvider clock)
{
    /// <summary>The account of pulls.</summary>
    public const string Pulls = "";

    /// <summary>
    /// Maximum number of bytes that are unpacked for one account in an hour. Chosen: four of the largest blobs (MediaSniffer.MaxUnpacked),
    /// or a hundred images of 2 GiB.
    /// </summary>
    public const long MaxPerHour = 256L << 30;

    /// <summary>Maximum number of blobs of one account that wait. Chosen: a hundred images of ten layers.</summary>
    public const int MaxWaiting = 1_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Account> _accounts = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private int _taken;

    private sealed class Account
    {
        public int Running { get; set; }

        public Queue<TaskCompletionSource> Waiting { get; } = new();

        public double Used { get; set; }

        public DateTimeOffset At { get; set; }
    }

    /// <summary>
    /// Waits for the account's turn. Throws <see cref="UnpackingRefusedException"/> when the account has reached its hourly limit, or too
    /// many of its blobs wait.
    /// </summary>
    public Task EnterAsync(string name)
    {
        lock (_lock)
        {
            var account = Find(name);
            Check(name, account);
            if (account.Waiting.Count >= MaxWaiting)
                throw new UnpackingRefusedException($"cannot be read now: expected at most {MaxWaiting} waiting blobs of {name}, got more");
            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (account.Waiting.Count == 0) _order.Enqueue(name);
            account.Waiting.Enqueue(turn);
            Dispatch();
            return turn.Task;
        }
    }

    /// <summary>Counts unpacked bytes. Throws <see cref="UnpackingRefusedException"/> when the account exceeds its hourly limit.</summary>
    public void Charge(string name, int bytes)
    {
        lock (_lock)
        {
            var account = Find(name);
            account.Used += bytes;
            Check(name, account);
        }
    }

    public void Leave(string name)
    {
        lock (_lock)
        {
            _taken--;
            Find(name).Running--;
            Dispatch();
            // An account for which nothing was unpacked for an hour has its whole limit again.
            foreach (var (idle, account) in _accounts.Where(a => a.Value is { Running: 0, Waiting.Count: 0 }).ToArray())
            {
                if (UsedBy(account) <= 0) _accounts.Remove(idle);
            }
        }
    }

    /// <summary>Gives free slots to waiting blobs, one to each account in turn.</summary>
    private void Dispatch()
    {
        for (var remaining = _order.Count; remaining > 0 && _taken < slots; remaining--)
        {
            var name = _order.Dequeue();
            var account = _accounts[name];
            if (account.Running < Math.Max(1, slots - 1))
            {
                (_taken, account.Running) = (_taken + 1, account.Running + 1);
                account.Waiting.Dequeue().SetResult();
                remaining = _order.Count + 1;
            }
            if (account.Waiting.Count > 0) _order.Enqueue(name);
        }
    }

    private Account Find(string name)
    {
        if (_accounts.TryGetValue(name, out var known)) return known;
        return _accounts[name] = new() { At = clock.GetUtcNow() };
    }

    /// <summary>Bytes used by the account. The count falls evenly, to zero within an hour.</summary>
    private double UsedBy(Account account)
    {
        var now = clock.GetUtcNow();
        account.Used = Math.Max(0, account.Used - (MaxPerHour * Math.Max(0, (now - account.At).TotalHours)));
        account.At = now;
        return account.Used;
    }

    private void Check(string name, Account account)
    {
        if (name == Pulls || UsedBy(account) <= MaxPerHour) return;
        throw new UnpackingRefusedException(string.Create(
            CultureInfo.InvariantCulture,
            $"cannot be read now: expected at most {MaxPerHour >> 30} GiB unpacked for {name} within an hour, got more"));
    }
}
