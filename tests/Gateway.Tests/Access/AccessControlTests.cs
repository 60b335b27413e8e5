using System.Net;
using Gateway.Access;
using Gateway.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Access;

public sealed class AccessControlTests
{
    private static readonly Identity Ci = new Identity.Known("ci");

    [Fact]
    public async Task Correct_password_identifies_the_account()
    {
        using var rig = new AccessRig();

        Assert.Equal(Ci, await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2")));
    }

    [Theory]
    [InlineData("ci", "hunter3")]
    [InlineData("ci", "")]
    [InlineData("ci", "hunter2\0")]
    [InlineData("CI", "hunter2")]
    [InlineData("nobody", "hunter2")]
    [InlineData("", "")]
    public async Task Wrong_password_and_unknown_account_get_the_same_answer(string account, string password)
    {
        using var rig = new AccessRig(new AccessRule(["anonymous"], ["**"], AccessActions.All));

        var wrong = Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(AccessRig.Basic(account, password)));

        Assert.Equal("wrong account or password; run docker login again", wrong.Reason);
        Assert.Equal(AccessActions.None, rig.Rights(wrong, "any"));
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ")]
    [InlineData("Basic !!!")]
    [InlineData("Basic Y2k=")]
    [InlineData("Bearer ")]
    [InlineData("Bearer abc")]
    [InlineData("Negotiate YII=")]
    [InlineData("garbage")]
    public async Task Other_credentials_are_refused_even_if_anonymous_has_the_right(string header)
    {
        using var rig = new AccessRig(new AccessRule(["anonymous"], ["**"], AccessActions.All));

        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(header));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task Request_without_credentials_is_anonymous(string? header)
    {
        using var rig = new AccessRig();

        Assert.IsType<Identity.Anonymous>(await rig.IdentifyAsync(header));
    }

    [Fact]
    public async Task Without_access_section_every_request_has_all_rights()
    {
        var control = new AccessControl(null, TimeProvider.System, NullLogger<AccessControl>.Instance);

        var identity = await control.IdentifyAsync(AccessRig.Basic("a", "b"), IPAddress.Loopback, null, CancellationToken.None);

        Assert.True(control.IsOpen);
        Assert.Equal(AccessActions.All, control.For(identity, Gateway.Oci.RepositoryName.Parse("any/thing")).Rights);
    }

    [Fact]
    public void Account_has_the_rights_of_all_its_rules_and_of_anonymous()
    {
        using var rig = new AccessRig(
            new AccessRule(["anonymous"], ["docker.io/**"], AccessActions.Pull),
            new AccessRule(["ci"], ["team/**"], AccessActions.Pull | AccessActions.Push),
            new AccessRule(["ci", "boss"], ["team/app"], AccessActions.Delete),
            new AccessRule(["*"], ["shared/*"], AccessActions.Pull));

        Assert.Equal(AccessActions.Pull, rig.Rights(Ci, "docker.io/library/nginx"));
        Assert.Equal(AccessActions.Pull, rig.Rights(Identity.Anonymous.Instance, "docker.io/library/nginx"));
        Assert.Equal(AccessActions.Pull | AccessActions.Push, rig.Rights(Ci, "team/other"));
        Assert.Equal(AccessActions.Pull | AccessActions.Push | AccessActions.Delete, rig.Rights(Ci, "team/app"));
        Assert.Equal(AccessActions.None, rig.Rights(Identity.Anonymous.Instance, "team/app"));
        Assert.Equal(AccessActions.Pull, rig.Rights(new Identity.Known("somebody"), "shared/base"));
        Assert.Equal(AccessActions.None, rig.Rights(Identity.Anonymous.Instance, "shared/base"));
        Assert.Equal(AccessActions.None, rig.Rights(new Identity.Known("somebody"), "shared/base/deep"));
        Assert.Equal(AccessActions.None, rig.Rights(Ci, "elsewhere"));
    }

    [Fact]
    public async Task Changed_accounts_file_is_reloaded()
    {
        using var rig = new AccessRig();
        Assert.Equal(Ci, await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2")));

        rig.WriteAccounts(AccessRig.Line("ci", "another"), AccessRig.Line("new", "hunter2"));

        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2")));
        Assert.Equal(Ci, await rig.IdentifyAsync(AccessRig.Basic("ci", "another")));
        Assert.Equal(new Identity.Known("new"), await rig.IdentifyAsync(AccessRig.Basic("new", "hunter2")));
    }

    [Fact]
    public async Task Accounts_in_a_swapped_linked_folder_are_reloaded_as_Kubernetes_swaps_it()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-accounts-").FullName;
        string At(string name) => Path.Combine(folder, name);
        foreach (var (version, account) in ((string, string)[])[("one", "first"), ("two", "other")])
        {
            Directory.CreateDirectory(At(version));
            File.WriteAllText(At($"{version}/htpasswd"), AccessRig.Line(account, "hunter2"));
            File.SetLastWriteTimeUtc(At($"{version}/htpasswd"), DateTime.UnixEpoch.AddDays(version == "one" ? 1 : 2));
        }
        File.CreateSymbolicLink(At("..data"), "one");
        File.CreateSymbolicLink(At("htpasswd"), "..data/htpasswd");
        var clock = new ManualClock();
        var control = new AccessControl(new() { Htpasswd = At("htpasswd") }, clock, NullLogger<AccessControl>.Instance);
        Assert.IsType<Identity.Known>(await IdentifyAsync("first"));

        File.Delete(At("..data"));
        File.CreateSymbolicLink(At("..data"), "two");
        clock.Advance(TimeSpan.FromSeconds(2));

        Assert.IsType<Identity.Wrong>(await IdentifyAsync("first"));
        Assert.IsType<Identity.Known>(await IdentifyAsync("other"));
        Directory.Delete(folder, recursive: true);

        ValueTask<Identity> IdentifyAsync(string account) =>
            control.IdentifyAsync(AccessRig.Basic(account, "hunter2"), IPAddress.Loopback, null, CancellationToken.None);
    }

    [Fact]
    public async Task Actor_removed_from_a_group_loses_its_rights_at_once_and_keeps_its_token()
    {
        using var rig = new AccessRig(new AccessRule(["@builders"], ["team/**"], AccessActions.Push));
        var options = rig.Options with { Groups = rig.Options.Groups.Add("builders", ["ci"]) };
        rig.Control = rig.Control.With(options);
        var token = (await rig.IssueAsync(AccessRig.Basic("ci", "hunter2"))).Token;
        Assert.Equal(AccessActions.Push, rig.Rights(await rig.IdentifyAsync($"Bearer {token}"), "team/app"));

        rig.Control = rig.Control.With(options with { Groups = options.Groups.SetItem("builders", ["other"]) });

        var identity = await rig.IdentifyAsync($"Bearer {token}");
        Assert.Equal((Ci, AccessActions.None), (identity, rig.Rights(identity, "team/app")));
    }

    [Fact]
    public async Task Certificate_identifies_the_client_until_it_expires_if_no_header_does()
    {
        using var rig = new AccessRig();
        var certificate = new ClientCertificate("cert:node", rig.Clock.GetUtcNow().AddMinutes(4));
        var nobody = $"Bearer {(await rig.IssueAsync(null)).Token}";

        Assert.Equal(new Identity.Known("cert:node"), await rig.IdentifyAsync(null, certificate: certificate));
        Assert.Equal(new Identity.Known("cert:node"), await rig.IdentifyAsync(nobody, certificate: certificate));
        Assert.Equal(Ci, await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2"), certificate: certificate));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(AccessRig.Basic("ci", "wrong"), certificate: certificate));
        rig.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(null, certificate: certificate));
    }

    [Fact]
    public async Task Lines_without_bcrypt_and_reserved_names_are_ignored()
    {
        using var rig = new AccessRig();
        rig.WriteAccounts(
            "# accounts", "", "plain:hunter2", "md5:$apr1$x$y", AccessRig.Line("anonymous", "hunter2"), AccessRig.Line("*", "hunter2"),
            AccessRig.Line("@team", "hunter2"), AccessRig.Line("ci", "first"), AccessRig.Line("ci", "second"));

        foreach (var account in (string[])["plain", "md5", "anonymous", "*", "@team"])
            Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(AccessRig.Basic(account, "hunter2")));
        Assert.Equal(Ci, await rig.IdentifyAsync(AccessRig.Basic("ci", "first")));
        Assert.IsType<Identity.Wrong>(await rig.IdentifyAsync(AccessRig.Basic("ci", "second")));
    }

    [Fact]
    public async Task Many_concurrent_logins_all_succeed()
    {
        using var rig = new AccessRig();

        var identities = await Task.WhenAll(
            Enumerable.Range(0, 200).Select(_ => Task.Run(() => rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2")))));

        Assert.All(identities, identity => Assert.Equal(Ci, identity));
    }

    // At cost 12 one takes some 200 ms of a core; a flood of guesses whose senders have gone would take minutes.
    [Fact]
    public async Task Disconnected_clients_do_not_delay_other_logins()
    {
        var passwords = new Passwords(TimeProvider.System);
        var dear = Bcrypt.Hash("hunter2", 12);
        using (var gone = new CancellationTokenSource())
        {
            var guesses = Enumerable.Range(0, 2000)
                .Select(i => passwords.IsRightAsync(new("ci", $"guess {i}"), dear, null, gone.Token).AsTask()).ToArray();
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(guesses));
        }

        var right = passwords.IsRightAsync(new("ci", "hunter2"), dear, null, CancellationToken.None).AsTask();
        Assert.True(await right.InTimeAsync("a right password is checked"));
    }

    [Fact]
    public async Task Password_guessing_does_not_delay_other_addresses()
    {
        using var begin = new ManualResetEventSlim();
        var checkedInOrder = new List<string>();
        var passwords = new Passwords(TimeProvider.System, 1, (password, _) =>
        {
            begin.Wait();
            checkedInOrder.Add(password);
            return false;
        });
        // One host has all of its /64.
        var guesses = Enumerable.Range(0, 1000).Select(i => AskAsync($"2001:db8::{i:x}", $"guess {i}")).ToArray();
        var others = Enumerable.Range(0, 3).Select(i => AskAsync($"192.0.2.{i}", $"other {i}")).ToArray();

        begin.Set();
        await Task.WhenAll([.. guesses, .. others]);

        Assert.Equal(["guess 0", "guess 1", "other 0", "other 1", "other 2", "guess 2"], checkedInOrder.Take(6));
        Assert.Equal(1003, checkedInOrder.Count);

        Task AskAsync(string from, string password) =>
            passwords.IsRightAsync(new("ci", password), "hash", IPAddress.Parse(from), CancellationToken.None).AsTask();
    }

    [Fact]
    public async Task Password_in_use_is_remembered_while_thousands_of_others_log_in()
    {
        var computed = 0;
        var passwords = new Passwords(TimeProvider.System, 1, (password, _) =>
        {
            if (password == "in use") computed++;
            return true;
        });

        for (var i = 0; i < 10_000; i++)
        {
            await passwords.IsRightAsync(new("ci", "in use"), "hash", null, default);
            await passwords.IsRightAsync(new($"other {i}", "x"), "hash", null, default);
        }

        Assert.Equal(1, computed);
    }

    [Fact]
    public async Task Wrong_passwords_of_one_address_are_delayed_but_correct_ones_never()
    {
        using var rig = new AccessRig();
        var guesser = IPAddress.Parse("192.0.2.1");
        for (var i = 0; i < 10; i++) await rig.IdentifyAsync(AccessRig.Basic("ci", $"guess {i}"), guesser);

        Assert.Equal([0.25, 0.5, 1, 2, 4, 4, 4], rig.Clock.Delays.Select(delay => delay.TotalSeconds));

        await rig.IdentifyAsync(AccessRig.Basic("ci", "hunter2"), guesser);
        await rig.IdentifyAsync(AccessRig.Basic("ci", "wrong"), IPAddress.Parse("192.0.2.2"));
        Assert.Equal(7, rig.Clock.Delays.Count);
    }

    [Fact]
    public async Task Delay_ends_after_some_minutes()
    {
        using var rig = new AccessRig();
        for (var i = 0; i < 4; i++) await rig.IdentifyAsync(AccessRig.Basic("ci", "wrong"));
        rig.Clock.Advance(TimeSpan.FromMinutes(6));

        await rig.IdentifyAsync(AccessRig.Basic("ci", "wrong"));

        Assert.Single(rig.Clock.Delays);
    }
}
