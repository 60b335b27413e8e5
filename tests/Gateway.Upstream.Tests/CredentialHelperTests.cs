using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Passwords from a credential helper, as ECR needs.</summary>
public sealed class CredentialHelperTests : UpstreamTest
{
    private (string Program, string Asked) Script(string body)
    {
        var asked = FileWith("");
        var program = FileWith($"#!/bin/sh\ncat >> {asked}\n{body}\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return (program, asked);
    }

    private async Task<IUpstreamRegistry> BuildWithAsync(string program) =>
        await BuildAsync(OptionsFor(Hub) with { Credentials = [new() { Helper = program }] });

    [Fact]
    public async Task Helper_runs_once_with_the_name_of_the_server()
    {
        Hub.RequireBasic("AWS", "pw");
        var (program, asked) = Script("""echo '{"ServerURL":"x","Username":"AWS","Secret":"pw"}'""");
        var upstream = await BuildWithAsync(program);
        for (var i = 0; i < 3; i++) await ReadAsync(await upstream.SendAsync(Manifest(), default));
        Assert.Equal($"{Hub.Url.Authority}\n", File.ReadAllText(asked));
    }

    [Fact]
    public async Task Helper_runs_again_if_a_403_says_that_the_password_expired()
    {
        Hub.RequireBasic("AWS", "1");
        var secret = FileWith("1");
        var (program, asked) = Script($$"""printf '{"Username":"AWS","Secret":"%s"}' "$(cat {{secret}})" """);
        var upstream = await BuildWithAsync(program);
        await ReadAsync(await upstream.SendAsync(Manifest(), default));
        File.WriteAllText(secret, "2");
        Hub.RequireBasic("AWS", "2");
        Hub.When(r => r.IsAnyManifest && r.Authorization == new Credential("AWS", "1").Basic)
            .Respond(403, """{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}""");
        Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
        Assert.Equal(2, File.ReadAllLines(asked).Length);
    }

    [Fact]
    public async Task Refresh_token_is_sent_to_the_token_server_and_never_to_the_upstream()
    {
        Hub.RequireToken().RefreshToken = "canary-refresh";
        var (program, _) = Script("""echo '{"Username":"<token>","Secret":"canary-refresh"}'""");
        var upstream = await BuildWithAsync(program);
        for (var i = 0; i < 2; i++) Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
        var asked = Assert.Single(Hub.Requests, r => r.IsToken);
        Assert.Equal("POST", asked.Method);
        Assert.Null(asked.Authorization);
        Assert.Contains("grant_type=refresh_token&refresh_token=canary-refresh", asked.Form, StringComparison.Ordinal);
        Assert.Contains(Uri.EscapeDataString($"repository:{Name}:pull"), asked.Form, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", Logged.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refresh_token_is_not_sent_as_a_password()
    {
        Hub.RequireBasic("<token>", "canary-refresh");
        var (program, _) = Script("""echo '{"Username":"<token>","Secret":"canary-refresh"}'""");
        Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(await BuildWithAsync(program), Manifest())).Failure);
        Assert.DoesNotContain(Hub.Requests, r => r.Authorization is not null);
    }

    [Fact]
    public async Task Helper_runs_again_before_twelve_hours_have_passed()
    {
        Hub.RequireBasic("AWS", "pw");
        var (program, asked) = Script("""echo '{"Username":"AWS","Secret":"pw"}'""");
        var upstream = await BuildWithAsync(program);
        await ReadAsync(await upstream.SendAsync(Manifest(), default));
        Clock.Advance(TimeSpan.FromHours(11.6));
        await ReadAsync(await upstream.SendAsync(Manifest(), default));
        Assert.Equal(2, File.ReadAllLines(asked).Length);
    }

    [Theory]
    [InlineData("echo secret-in-the-output; echo secret-in-the-errors >&2; exit 1")]
    [InlineData("echo '{\"Username\":1,\"Secret\":\"secret\"}'")]
    [InlineData("echo '{\"Username\":\"secret\"}'")]
    [InlineData("head -c 100000 /dev/zero | tr '\\\\0' s")]
    public async Task Failed_helper_makes_the_upstream_unavailable_and_its_output_is_not_in_any_message(string body)
    {
        Hub.RequireBasic("AWS", "pw");
        var (program, asked) = Script(body);
        var upstream = await BuildWithAsync(program);
        for (var i = 0; i < 2; i++)
        {
            var failure = await FailureOfAsync(upstream, Manifest());
            Assert.Equal(UpstreamFailure.Unavailable, failure.Failure);
            Assert.DoesNotContain("secret", failure.ToString(), StringComparison.Ordinal);
        }
        Assert.DoesNotContain("secret", Logged.Text, StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(asked));
    }

    [Fact]
    public async Task Missing_helper_is_named_in_the_error()
    {
        Hub.RequireBasic("AWS", "pw");
        var failure = await FailureOfAsync(await BuildWithAsync("/nowhere/docker-credential-none"), Manifest());
        Assert.Contains("docker-credential-none could not be started", failure.Message, StringComparison.Ordinal);
    }
}
