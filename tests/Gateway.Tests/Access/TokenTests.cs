using System.Text.Json;
using Gateway.Access;
using Gateway.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Gateway.Tests.Access;

public sealed class TokenTests
{
    private static readonly string Right = AccessRig.Basic("ci", "hunter2");

    [Fact]
    public async Task Token_identifies_the_account_for_five_minutes()
    {
        using var rig = new AccessRig();
        var grant = await rig.IssueAsync(Right);

        Assert.Equal(300, grant.ExpiresIn);
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync($"Bearer {grant.Token}"));
        rig.Clock.Advance(TimeSpan.FromSeconds(299));
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync($"bearer {grant.Token}"));
        rig.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync($"Bearer {grant.Token}"));
    }

    [Fact]
    public async Task Token_of_one_gateway_is_valid_at_another_with_the_same_secret_alone()
    {
        using var rig = new AccessRig();
        var (file, other) = (Path.GetTempFileName(), Path.GetTempFileName());
        File.WriteAllText(file, "a secret that is long enough\n".Replace(' ', '-'));
        File.WriteAllText(other, "another-secret-that-is-long-enough\n");
        rig.Control = Gateway(file);
        var token = $"Bearer {(await rig.IssueAsync(Right)).Token}";

        rig.Control = Gateway(file);
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync(token));
        foreach (var key in (string?[])[null, other])
        {
            rig.Control = Gateway(key);
            Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(token));
        }
        // A reload that names the file, and one that says nothing of it.
        rig.Control = rig.Control.With(rig.Options, file).With(rig.Options);
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync(token));
        File.Delete(file);
        File.Delete(other);

        AccessControl Gateway(string? key) => new(rig.Options, rig.Clock, NullLogger<AccessControl>.Instance, key);
    }

    [Theory]
    [InlineData(-10)]
    [InlineData(10)]
    public async Task Token_of_a_gateway_whose_clock_is_wrong_is_valid_for_five_minutes_at_all(int minutes)
    {
        using var rig = new AccessRig();
        var file = Path.GetTempFileName();
        File.WriteAllText(file, "a-secret-that-is-long-enough\n");
        var wrong = new ManualClock();
        wrong.Advance(TimeSpan.FromMinutes(minutes));
        AccessControl[] gateways = [Gateway(rig.Clock), Gateway(new SharedClock(wrong, () => rig.Clock.GetUtcNow()))];
        var tokens = new List<string>();
        foreach (var gateway in gateways)
        {
            rig.Control = gateway;
            tokens.Add($"Bearer {(await rig.IssueAsync(Right)).Token}");
        }

        Advance(299);
        await AllAsync(Assert.IsType<Identity.Known>);
        Advance(1);
        await AllAsync(Assert.IsType<Identity.Wrong>);
        File.Delete(file);

        AccessControl Gateway(TimeProvider clock) => new(rig.Options, clock, NullLogger<AccessControl>.Instance, file);

        void Advance(int seconds)
        {
            foreach (var clock in (ManualClock[])[rig.Clock, wrong]) clock.Advance(TimeSpan.FromSeconds(seconds));
        }

        async Task AllAsync(Func<object, object> check)
        {
            foreach (var gateway in gateways)
            {
                rig.Control = gateway;
                foreach (var token in tokens) check(await rig.IdentifyAsync(token));
            }
        }
    }

    [Theory]
    [InlineData(60, false)]
    [InlineData(61, true)]
    [InlineData(-900, true)]
    [InlineData(-901, false)]
    [InlineData(null, false)]
    public void Shared_clock_counts_when_it_differs_by_one_to_fifteen_minutes(int? seconds, bool isShared)
    {
        var own = new ManualClock();
        DateTimeOffset? other = seconds is { } by ? own.GetUtcNow().AddSeconds(by) : null;

        Assert.Equal(isShared ? other : own.GetUtcNow(), new SharedClock(own, () => other).GetUtcNow());
    }

    [Fact]
    public async Task Secret_that_changes_in_its_file_signs_within_seconds_without_a_reload_and_ends_the_tokens_of_before()
    {
        using var rig = new AccessRig();
        var file = Path.GetTempFileName();
        File.WriteAllText(file, "a-secret-that-is-long-enough\n");
        var (one, two) = (Gateway(), Gateway());
        rig.Control = one;
        var before = $"Bearer {(await rig.IssueAsync(Right)).Token}";
        File.WriteAllText(file, "another-secret-that-is-long-enough\n");
        rig.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(before));
        var after = $"Bearer {(await rig.IssueAsync(Right)).Token}";
        // While the file cannot be read, the last secret counts.
        File.Delete(file);
        rig.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync(after));
        File.WriteAllText(file, "another-secret-that-is-long-enough\n");
        rig.Clock.Advance(TimeSpan.FromSeconds(2));
        rig.Control = two;
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync(after));
        File.Delete(file);

        AccessControl Gateway() => new(rig.Options, rig.Clock, NullLogger<AccessControl>.Instance, file);
    }

    [Fact]
    public async Task Response_has_both_token_fields_and_no_unrequested_refresh_token()
    {
        using var rig = new AccessRig();

        var issued = Assert.IsType<TokenAnswer.Issued>(await rig.AskAsync(Right));

        using var body = JsonDocument.Parse(issued.ToJson());
        Assert.Equal(["token", "access_token", "expires_in", "issued_at"], body.RootElement.EnumerateObject().Select(field => field.Name));
        Assert.Equal(body.RootElement.GetProperty("token").GetString(), body.RootElement.GetProperty("access_token").GetString());
    }

    [Fact]
    public async Task Token_without_credentials_is_anonymous()
    {
        using var rig = new AccessRig();

        Assert.IsType<Identity.Anonymous>(await rig.IdentifyAsync($"Bearer {(await rig.IssueAsync(null)).Token}"));
    }

    [Fact]
    public async Task Wrong_password_gets_no_token()
    {
        using var rig = new AccessRig();

        Assert.IsType<TokenAnswer.Refused>(await rig.AskAsync(AccessRig.Basic("ci", "wrong")));
        Assert.IsType<TokenAnswer.Refused>(await rig.AskAsync(null, new() { GrantType = "password", Username = "ci", Password = "wrong" }));
    }

    [Fact]
    public async Task Token_with_any_changed_bit_is_refused()
    {
        using var rig = new AccessRig();
        var token = System.Buffers.Text.Base64Url.DecodeFromChars((await rig.IssueAsync(Right)).Token);

        for (var bit = 0; bit < token.Length * 8; bit++)
        {
            var forged = (byte[])token.Clone();
            forged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync($"Bearer {System.Buffers.Text.Base64Url.EncodeToString(forged)}"));
        }
    }

    [Fact]
    public async Task Token_ends_when_its_password_changes()
    {
        using var rig = new AccessRig();
        var token = (await rig.IssueAsync(Right)).Token;

        rig.WriteAccounts(AccessRig.Line("ci", "hunter2"));

        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync($"Bearer {token}"));
    }

    [Fact]
    public async Task Token_outlives_a_reload_but_not_the_process()
    {
        using var rig = new AccessRig();
        var token = (await rig.IssueAsync(Right)).Token;

        rig.Control = rig.Control.With(rig.Options with { Rules = [new(["ci"], ["**"], AccessActions.Pull)] });
        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync($"Bearer {token}"));
        Assert.Equal(AccessActions.Pull, rig.Rights(new Identity.Known("ci"), "any"));

        rig.Control = new(rig.Options, rig.Clock, NullLogger<AccessControl>.Instance);
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync($"Bearer {token}"));
    }

    [Fact]
    public async Task Bearer_token_cannot_renew_itself()
    {
        using var rig = new AccessRig();

        Assert.IsType<TokenAnswer.Refused>(await rig.AskAsync($"Bearer {(await rig.IssueAsync(Right)).Token}"));
    }

    [Fact]
    public async Task Password_grant_returns_a_refresh_token_that_is_valid_for_tokens_only()
    {
        using var rig = new AccessRig();
        var first = await rig.IssueAsync(null, new() { GrantType = "password", Username = "ci", Password = "hunter2", Offline = true });
        Assert.NotNull(first.RefreshToken);
        rig.Clock.Advance(TimeSpan.FromHours(1));

        var second = await rig.IssueAsync(null, new() { GrantType = "refresh_token", RefreshToken = first.RefreshToken });

        Assert.Equal(new Identity.Known("ci"), await rig.IdentifyAsync($"Bearer {second.Token}"));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync($"Bearer {first.RefreshToken}"));
        Assert.IsType<TokenAnswer.Refused>(await rig.AskAsync(null, new() { GrantType = "refresh_token", RefreshToken = second.Token }));
    }

    [Theory]
    [InlineData("password")]
    [InlineData("refresh_token")]
    [InlineData("authorization_code")]
    public async Task Incomplete_or_unknown_grant_is_malformed(string grant)
    {
        using var rig = new AccessRig();

        Assert.IsType<TokenAnswer.Malformed>(await rig.AskAsync(null, new() { GrantType = grant }));
    }

    [Fact]
    public void Token_request_is_read_from_a_form_and_never_shows_its_secrets()
    {
        var request = TokenRequest.From(
        [
            new("grant_type", "password"), new("username", "ci"), new("password", "hunter2"), new("access_type", "offline"),
            new("scope", new StringValues(["a", "b"])),
        ]);

        Assert.Equal(("password", "ci", "hunter2", true), (request.GrantType, request.Username, request.Password, request.Offline));
        Assert.DoesNotContain("hunter2", request.ToString());
    }
}
