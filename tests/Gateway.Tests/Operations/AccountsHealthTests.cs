using System.Text.Json;
using Gateway.Configuration;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class AccountsHealthTests
{
    [Fact]
    public async Task Missing_accounts_file_is_reported_to_the_operator_not_to_clients()
    {
        using var accounts = new AccessRig();
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Access = accounts.Options with { Rules = [new(["ci"], ["**"], AccessActions.Pull)] },
        });
        Assert.Equal((200, null), await StateAsync());

        File.Delete(accounts.Options.Htpasswd!);

        // The file is looked at once a second.
        var end = Environment.TickCount64 + Patience.Of(30).TotalMilliseconds;
        for (; (await StateAsync()).Warning is null; await Task.Delay(50))
            Assert.True(Environment.TickCount64 < end, "nothing is told of the file that is gone");
        var (status, warning) = await StateAsync();
        Assert.Equal(200, status);
        Assert.Contains("htpasswd: ", warning, StringComparison.Ordinal);
        using var catalog = await rig.SendAsync("GET", "/v2/_catalog", null, ("Authorization", AccessRig.Basic("ci", "hunter2")));
        Assert.Equal(200, (int)catalog.StatusCode);

        async Task<(int Status, string? Warning)> StateAsync()
        {
            using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, "/readyz?verbose"));
            using var said = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            var warned = said.RootElement.GetProperty("warnings").TryGetProperty("access", out var text) ? text.GetString() : null;
            return ((int)answer.StatusCode, warned);
        }
    }

    [Fact]
    public async Task Without_any_readable_account_clients_are_told_to_retry()
    {
        using var accounts = new AccessRig();
        accounts.WriteAccounts();
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Access = accounts.Options with { Rules = [new(["anonymous"], ["open/**"], AccessActions.Pull)] },
        });
        foreach (var path in (string[])["/v2/", "/token", "/v2/open/app/tags/list"])
        {
            using var answer = await rig.SendAsync("GET", path, null, ("Authorization", AccessRig.Basic("ci", "hunter2")));
            Assert.Equal(
                (path, 503, "UNAVAILABLE", true),
                (path, (int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer), answer.Headers.RetryAfter is not null));
        }
        using var open = await rig.SendAsync("GET", "/v2/open/app/tags/list");
        Assert.Equal(404, (int)open.StatusCode);
    }
}
