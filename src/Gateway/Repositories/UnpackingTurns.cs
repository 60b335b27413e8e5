using System.Globalization;

namespace Gateway.Repositories;

/// <summary>Nothing is unpacked for an account now. One line, as the end of "the blob …".</summary>
internal sealed class UnpackingRefusedException(string why) : Exception(why);

/// <summary>
/// Which account's blob is unpacked next. A few kilobytes may unpack to gigabytes, and one account could keep all others waiting:
/// accounts take turns, none has all slots, and each has so many bytes unpacked in an hour. What is pulled is one account, without such a
/// limit: its bytes come from upstreams.
/// </summary>
/// <param name="slots">How many are unpacked at a time; at least 2.</param>
internal sealed class UnpackingTurns(int slots, TimeProvider clock)
{
    /// <summary>The account of pulls.</summary>
    public const string Pulls = "";

    /// <summary>
    /// Bytes that are unpacked for one account in an hour. Chosen: four of the largest blobs (MediaSniffer.MaxUnpacked), or a hundred
    /// images of 2 GiB.
    /// </summary>
    public const long MaxPerHour = 256L << 30;

    /// <summary>Blobs of one account that may wait. Chosen: a hundred images of ten layers.</summary>
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
    /// Waits for the account's turn. Throws <see cref="UnpackingRefusedException"/> when it has used what it may, or too many wait.
    /// </summary>
    public Task EnterAsync(string name)
    {
        lock (_lock)
        {
            var account = Find(name);
            Check(name, account);
            if (account.Waiting.Count >= MaxWaiting)
                throw new UnpackingRefusedException($"cannot be looked through now: {MaxWaiting} blobs of {name} wait already");
            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (account.Waiting.Count == 0) _order.Enqueue(name);
            account.Waiting.Enqueue(turn);
            Dispatch();
            return turn.Task;
        }
    }

    /// <summary>
    /// Counts bytes that were unpacked. Throws <see cref="UnpackingRefusedException"/> when it is more than the account may have.
    /// </summary>
    public void Charge(string name, int bytes)
    {
        lock (_lock)
        {
            var account = Find(name);
            account.Used += bytes;
            Check(name, account);
        }
    }

    /// <summary>Ends a turn.</summary>
    public void Leave(string name)
    {
        lock (_lock)
        {
            _taken--;
            Find(name).Running--;
            Dispatch();
            // What has had nothing unpacked for an hour is as good as new.
            foreach (var (idle, account) in _accounts.Where(a => a.Value is { Running: 0, Waiting.Count: 0 }).ToArray())
            {
                if (UsedBy(account) <= 0) _accounts.Remove(idle);
            }
        }
    }

    /// <summary>Gives free slots to those who wait, one to each account and then the next.</summary>
    private void Dispatch()
    {
        for (var left = _order.Count; left > 0 && _taken < slots; left--)
        {
            var name = _order.Dequeue();
            var account = _accounts[name];
            if (account.Running < Math.Max(1, slots - 1))
            {
                (_taken, account.Running) = (_taken + 1, account.Running + 1);
                account.Waiting.Dequeue().SetResult();
                left = _order.Count + 1;
            }
            if (account.Waiting.Count > 0) _order.Enqueue(name);
        }
    }

    private Account Find(string name)
    {
        if (_accounts.TryGetValue(name, out var known)) return known;
        return _accounts[name] = new() { At = clock.GetUtcNow() };
    }

    /// <summary>What is used leaks away, all of it in an hour.</summary>
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
            $"cannot be looked through now: {MaxPerHour >> 30} GiB were unpacked for {name} within an hour, no more may be"));
    }
}
