using Gateway.Access;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Access;

/// <summary>An accounts file that is swapped, spoiled or gone while the gateway runs, and clients that show nothing.</summary>
public sealed class AccountsFileTests
{
    private static readonly Identity.Known Ci = new("ci");

    [Fact]
    public async Task Missing_empty_or_invalid_accounts_file_keeps_the_last_accounts_in_force()
    {
        using var rig = new AccessRig();
        var (path, right) = (rig.Options.Htpasswd!, AccessRig.Basic("ci", "hunter2"));
        foreach (var spoil in (Action[])[
            () => File.Delete(path), () => File.WriteAllText(path, ""), () => File.WriteAllText(path, "# nobody\n"),
            () => File.WriteAllBytes(path, [0xFF, 0xFE, 0x00]), () => File.WriteAllText(path, "<html>not found</html>\n"),
            () =>
            {
                File.Delete(path);
                File.CreateSymbolicLink(path, path + ".missing");
            }])
        {
            Assert.Null(rig.Control.Problem);
            spoil();
            rig.Clock.Advance(TimeSpan.FromSeconds(2));

            Assert.Equal(Ci, await rig.IdentifyAsync(right));
            Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(AccessRig.Basic("ci", "wrong")));
            Assert.Contains("htpasswd: ", rig.Control.Problem, StringComparison.Ordinal);
            File.Delete(path);
            rig.WriteAccounts(AccessRig.Line("ci", "hunter2"));
            rig.Clock.Advance(TimeSpan.FromSeconds(2));
        }
    }

    [Fact]
    public async Task Without_any_readable_accounts_no_password_is_called_wrong()
    {
        using var rig = new AccessRig();
        rig.WriteAccounts();
        rig.Control = new(rig.Options, rig.Clock, NullLogger<AccessControl>.Instance);

        Assert.IsType<Identity.Undecided>(await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2")));
        Assert.IsType<TokenAnswer.Unavailable>(await rig.AskAsync(AccessRig.Basic("ci", "hunter2")));
        Assert.IsType<Identity.Anonymous>(await rig.IdentifyAsync(null));
        rig.WriteAccounts(AccessRig.Line("ci", "hunter2"));
        rig.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(Ci, await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2")));
    }

    [Fact]
    public async Task Placeholder_token_of_Homebrew_is_anonymous()
    {
        using var rig = new AccessRig();
        Assert.IsType<Identity.Anonymous>(await rig.IdentifyAsync("Bearer QQ=="));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync("Bearer QUFB"));
        Assert.IsType<TokenAnswer.Refused>(await rig.AskAsync("Bearer QQ=="));
    }
}
