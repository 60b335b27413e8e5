using System.Globalization;
using Gateway.Configuration;
using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace Gateway.Replicas;

/// <summary>Redis' answer to a script.</summary>
/// <param name="Answered">
/// False if Redis did not answer in time, or refused. Nothing is known then, also not whether the script ran.
/// </param>
/// <param name="Texts">The answer: one text, several, or none for nil.</param>
internal readonly record struct RedisReply(bool Answered, string[] Texts)
{
    public static readonly RedisReply Silent = new(false, []);

    /// <summary>The first text; null for none.</summary>
    public string? Text => Texts is [var first, ..] ? first : null;
}

/// <summary>
/// The connection to Redis, the only place that names its client. It never throws and never makes a caller wait longer than
/// the deadline: without Redis, replicas go on alone.
/// </summary>
internal sealed class RedisLink : IAsyncDisposable
{
    // Chosen: a Redis that is slow costs one request in 5 s its deadline, and not each.
    private static readonly TimeSpan RestAfterSilence = TimeSpan.FromSeconds(5);

    // Chosen: a connection in one network takes milliseconds; the client tries again by itself.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private readonly Configuration.RedisOptions _options;
    private readonly TimeSpan _deadline;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private Task<ConnectionMultiplexer>? _connection;
    private long _restUntil;
    private long _answered;
    private long _failed;
    private bool? _isUp;

    /// <summary>Connects in the background; callers do not wait for it.</summary>
    /// <param name="deadline">Longest wait for an answer.</param>
    public RedisLink(Configuration.RedisOptions options, TimeSpan deadline, TimeProvider clock, ILogger<RedisLink> logger)
    {
        (_options, _deadline, _clock, _logger) = (options, deadline, clock, logger);
        _ = Connection();
    }

    /// <summary>Whether Redis answered the last script.</summary>
    public bool IsUp => _isUp == true;

    /// <summary>Scripts that Redis answered since the start, and those that it did not answer in time or refused.</summary>
    public (long Answered, long Failed) Counts => (Interlocked.Read(ref _answered), Interlocked.Read(ref _failed));

    /// <summary>Why Redis did not answer last; null while it answers.</summary>
    public string? Problem { get; private set; }

    /// <summary>The latest answer's time; zero before the first.</summary>
    public TimeSpan Latency { get; private set; }

    /// <summary>What every key begins with; the braces keep all keys of a set in one slot of Redis Cluster.</summary>
    public string Key(string name) => $"{{{_options.KeyPrefix}}}:{name}";

    /// <summary>Runs a Lua script.</summary>
    /// <param name="evenAtRest">Whether to ask also shortly after Redis was silent: for the beat that notices its return.</param>
    public async Task<RedisReply> RunAsync(string script, string[] keys, string[] values, bool evenAtRest = false)
    {
        if (!evenAtRest && Volatile.Read(ref _restUntil) > _clock.GetTimestamp()) return RedisReply.Silent;
        var started = _clock.GetTimestamp();
        try
        {
            // A connection that is not there yet is no reason to wait: the caller has another way.
            if (Connection() is not { IsCompletedSuccessfully: true } connected) return RedisReply.Silent;
            var asking = connected.Result.GetDatabase(_options.Database)
                .ScriptEvaluateAsync(script, [.. keys.Select(key => (RedisKey)key)], [.. values.Select(value => (RedisValue)value)]);
            await Task.WhenAny(asking, Task.Delay(_deadline, _clock));
            // On a machine without a free processor both are late; an answer that is there counts.
            var result = asking.IsCompleted ? await asking : throw new TimeoutException();
            Latency = _clock.GetElapsedTime(started);
            ReplicaMetrics.Redis(Latency, answered: true);
            // The beat asks also during the rest: its answer ends the rest for all.
            Volatile.Write(ref _restUntil, 0);
            Interlocked.Increment(ref _answered);
            Note(up: true, "");
            return new(true, TextsOf(result));
        }
        catch (Exception e) when (e is TimeoutException or RedisException or ObjectDisposedException or OperationCanceledException)
        {
            ReplicaMetrics.Redis(_clock.GetElapsedTime(started), answered: false);
            Interlocked.Increment(ref _failed);
            Volatile.Write(ref _restUntil, _clock.GetTimestamp() + (long)(RestAfterSilence.TotalSeconds * _clock.TimestampFrequency));
            Note(up: false, e is RedisException ? FirstLine(e.Message) : $"no answer within {_deadline.TotalMilliseconds:0} ms");
            return RedisReply.Silent;
        }
    }

    /// <summary>Ends the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_connection is { IsCompletedSuccessfully: true } connected) await connected.Result.DisposeAsync();
    }

    /// <summary>
    /// Asks a Redis for real: writes a value, reads it again, and compares the clocks. Does not throw.
    /// </summary>
    public static async Task<RedisProbe> ProbeAsync(Configuration.RedisOptions options, TimeProvider clock)
    {
        const string Probe = """
            redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000)
            local t = redis.call('TIME')
            return {redis.call('GET', KEYS[1]), string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))}
            """;
        try
        {
            await using var connected = await ConnectionMultiplexer.ConnectAsync(OptionsFor(options, abort: true));
            var database = connected.GetDatabase(options.Database);
            var id = Guid.NewGuid().ToString("N");
            // The first one brings the script there.
            for (var isFirst = true; ; isFirst = false)
            {
                var started = clock.GetTimestamp();
                var texts = TextsOf(await database.ScriptEvaluateAsync(Probe, [$"{{{options.KeyPrefix}}}:probe:{id}"], [id]));
                var taken = clock.GetElapsedTime(started);
                if (texts is not [var read, var time] || read != id || !long.TryParse(time, CultureInfo.InvariantCulture, out var ms))
                    return new($"expected the value that was written, got '{string.Join(' ', texts)}'");
                if (isFirst) continue;
                return new(null)
                {
                    Time = taken,
                    ClockSkew = clock.GetUtcNow() - (taken / 2) - DateTimeOffset.FromUnixTimeMilliseconds(ms),
                    Version = connected.GetServers().FirstOrDefault(each => each.IsConnected && !each.IsReplica)?.Version.ToString() ?? "",
                };
            }
        }
        catch (Exception e) when (e is RedisException or TimeoutException or IOException)
        {
            return new(FirstLine(e.Message));
        }
    }

    private Task<ConnectionMultiplexer> Connection()
    {
        lock (_gate)
        {
            if (_connection is null or { IsFaulted: true } or { IsCanceled: true })
            {
                // In a thread of its own: the client resolves names and reads the password file before it first waits.
                _connection = Task.Run(() => ConnectionMultiplexer.ConnectAsync(OptionsFor(_options, abort: false)));
                _ = _connection.ContinueWith(failed => _ = failed.Exception, TaskScheduler.Default);
            }
            return _connection;
        }
    }

    private void Note(bool up, string why)
    {
        lock (_gate)
        {
            Problem = up ? null : why;
            if (_isUp == up) return;
            _isUp = up;
        }
        if (up) Log.RedisUp(_logger, string.Join(", ", _options.Addresses));
        else Log.RedisDown(_logger, string.Join(", ", _options.Addresses), why);
    }

    private static ConfigurationOptions OptionsFor(Configuration.RedisOptions options, bool abort)
    {
        var result = new ConfigurationOptions
        {
            // Connections read the password when they are made, so that a rotated one applies without a restart.
            Defaults = new Credentials(options.PasswordFile),
            AbortOnConnectFail = abort,
            // What cannot be sent now is not sent late: a lease that is taken after its fetch has ended is of no use.
            BacklogPolicy = BacklogPolicy.FailFast,
            ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds,
            AsyncTimeout = (int)ConnectTimeout.TotalMilliseconds,
            // A list of servers: after a failover, the new primary is found within this time.
            ConfigCheckSeconds = (int)RestAfterSilence.TotalSeconds,
            ReconnectRetryPolicy = new LinearRetry((int)ConnectTimeout.TotalMilliseconds),
            HeartbeatInterval = TimeSpan.FromSeconds(1),
            ConnectRetry = 1,
            Ssl = options.Tls,
            User = options.Username,
            ClientName = "gateway",
            IncludeDetailInExceptions = false,
        };
        foreach (var address in options.Addresses) result.EndPoints.Add(address);
        // Read for each connection attempt of a new link; a renewed authority needs a restart.
        if (options is { Tls: true, CertificateAuthority: { } file }) result.TrustIssuer(file);
        return result;
    }

    private static string[] TextsOf(RedisResult result) =>
        result.IsNull ? [] : result.Length < 0 ? [(string)result!] : [.. ((RedisResult[])result!).Select(each => (string?)each ?? "")];

    // Without the library's advice to the programs that use it.
    private static string FirstLine(string text) => text.Split('\n')[0].Split("To allow this multiplexer")[0].Trim().TrimEnd('.');

    private sealed class Credentials(string? passwordFile) : DefaultOptionsProvider
    {
        public override string? Password
        {
            get
            {
                try
                {
                    return passwordFile is null ? null : BoundedFile.ReadText(passwordFile).Trim();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // Without a password Redis refuses the connection, and says why.
                    return null;
                }
            }
        }
    }
}
