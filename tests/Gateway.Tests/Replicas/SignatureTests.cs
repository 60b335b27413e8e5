using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Replicas;
using Gateway.Tests.PullThrough;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>What replicas believe: only what the secret of the set has signed, for its purpose.</summary>
public sealed class SignatureTests : IDisposable
{
    private static readonly Digest Content = Digest.Of("content"u8);

    private readonly string _file = Path.GetTempFileName();
    private readonly FastClock _clock = new();
    private readonly PeerSecret _secret;
    private readonly ReplicaSelf _self;

    public SignatureTests()
    {
        File.WriteAllText(_file, new string('a', 64));
        _secret = new(_file, _clock, NullLogger<PeerSecret>.Instance);
        _self = new(new() { Listen = new("http://10.0.0.1:5002") });
    }

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData("GET", "10.0.0.2:5002", "/peer/v1/content/a", 0, true)]
    [InlineData("GET", "10.0.0.2:5002", "/peer/v1/content/a", 2, true)]
    [InlineData("GET", "10.0.0.2:5002", "/peer/v1/content/a", 3, false)]
    [InlineData("GET", "10.0.0.3:5002", "/peer/v1/content/a", 0, false)]
    [InlineData("GET", "10.0.0.2:5002", "/peer/v1/content/b", 0, false)]
    [InlineData("HEAD", "10.0.0.2:5002", "/peer/v1/content/a", 0, false)]
    public void Request_is_signed_for_its_method_target_host_and_minutes(string method, string host, string target, int later, bool holds)
    {
        var signature = new PeerSignature(_secret, _clock);
        var authorization = signature.Sign("GET", "10.0.0.2:5002", "/peer/v1/content/a");

        _clock.Advance(TimeSpan.FromMinutes(later));

        Assert.Equal(holds, signature.IsSigned(authorization, method, host, target));
    }

    [Fact]
    public void Replicas_whose_clocks_differ_accept_each_other_by_the_clock_of_Redis_alone()
    {
        TimeSpan? shared = TimeSpan.FromDays(20_000);
        var (ahead, late) = (new FastClock(), new FastClock());
        ahead.Advance(TimeSpan.FromMinutes(10));
        var one = new PeerSignature(_secret, ahead, () => shared);
        var other = new PeerSignature(_secret, late, () => shared);

        Assert.True(other.IsSigned(one.Sign("GET", "a:1", "/"), "GET", "a:1", "/"));

        var early = one.Sign("GET", "a:1", "/");
        shared += TimeSpan.FromMinutes(3);
        Assert.False(other.IsSigned(early, "GET", "a:1", "/"));
        shared = null;
        Assert.False(other.IsSigned(one.Sign("GET", "a:1", "/"), "GET", "a:1", "/"));
        // A replica that has lost Redis signs by its own clock, which is right here.
        Assert.True(one.IsSigned(one.Sign("GET", "a:1", "/"), "GET", "a:1", "/"));
    }

    [Theory]
    [InlineData("http://10.0.0.2:5002", "lease", true)]
    [InlineData("https://10.0.0.2:5002", "lease", false)]
    [InlineData("ftp://10.0.0.2:5002", "lease", false)]
    [InlineData("http://10.0.0.2:5002", "member", false)]
    public void Lease_counts_only_with_a_signature_for_leases_and_an_address_of_the_own_scheme(string url, string purpose, bool counts)
    {
        var store = new LeaseStore(null!, _self, _secret);
        var text = $"7 ab {url} {_secret.Sign(purpose, $"{Content} ab {url}")}";

        Assert.Equal(counts, store.Read(Content, text) is not null);
        Assert.Null(store.Read(Digest.Of("other"u8), text));
        Assert.Null(store.Read(Content, $"7 ab {url}"));
    }

    [Fact]
    public void Member_without_a_signature_or_with_another_scheme_is_ignored()
    {
        using var members = new Members(new(), _self, _secret, _clock, NullLogger<Members>.Instance);

        Assert.Equal(new("ab", new("http://10.0.0.2:5002"), "1.0.0"), members.Parse(Signed("ab http://10.0.0.2:5002 1.0.0")));
        Assert.Null(members.Parse("ab http://10.0.0.2:5002 1.0.0"));
        Assert.Null(members.Parse("ab http://10.0.0.2:5002 1.0.0 00"));
        Assert.Null(members.Parse(Signed("ab https://10.0.0.2:5002 1.0.0")));

        string Signed(string text) => $"{text} {_secret.Sign("member", text)}";
    }
}
