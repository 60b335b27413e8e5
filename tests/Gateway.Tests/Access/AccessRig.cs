using System.Net;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Access;

/// <summary>A clock that moves when it is told to, and whose timers ring at once while it notes what they were set to.</summary>
internal sealed class ManualClock : TimeProvider
{
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch.AddYears(60);

    public List<TimeSpan> Delays { get; } = [];

    public void Advance(TimeSpan by) => _now += by;

    public override DateTimeOffset GetUtcNow() => _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (Delays) Delays.Add(dueTime);
        return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}

/// <summary>Access control over an htpasswd file of its own.</summary>
internal sealed class AccessRig : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-access-");

    public AccessRig(params AccessRule[] rules)
    {
        Options = new() { Htpasswd = Path.Combine(_folder.FullName, "htpasswd"), Rules = [.. rules] };
        WriteAccounts(Line("ci", "hunter2"));
        Control = new(Options, Clock, NullLogger<AccessControl>.Instance);
    }

    public ManualClock Clock { get; } = new();

    public AccessOptions Options { get; }

    public AccessControl Control { get; set; }

    public static string Line(string account, string password) => $"{account}:{Bcrypt.Hash(password, Bcrypt.LeastCost)}";

    public static string Basic(string account, string password) =>
        $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{account}:{password}"))}";

    public void WriteAccounts(params string[] lines)
    {
        File.WriteAllLines(Options.Htpasswd!, lines);
        // A file system keeps times no finer than its own tick; two writes within one would look alike.
        File.SetLastWriteTimeUtc(Options.Htpasswd!, DateTime.UnixEpoch.AddSeconds(Interlocked.Increment(ref _writes)));
        Clock.Advance(TimeSpan.FromSeconds(2));
    }

    private static int _writes;

    public Task<Identity> IdentifyAsync(string? authorization, IPAddress? remote = null, ClientCertificate? certificate = null) =>
        Control.IdentifyAsync(authorization, remote ?? IPAddress.Loopback, certificate, CancellationToken.None).AsTask();

    public async Task<TokenGrant> IssueAsync(string? authorization, TokenRequest? request = null) =>
        Assert.IsType<TokenAnswer.Issued>(await AskAsync(authorization, request)).Grant;

    public Task<TokenAnswer> AskAsync(string? authorization, TokenRequest? request = null) =>
        Control.IssueTokenAsync(authorization, request ?? new(), IPAddress.Loopback, CancellationToken.None).AsTask();

    public AccessActions Rights(Identity identity, string repository) => Control.For(identity, RepositoryName.Parse(repository)).Rights;

    public void Dispose() => _folder.Delete(recursive: true);
}
