using Gateway.Access;
using Gateway.Configuration;
using Microsoft.IdentityModel.Tokens;
using Xunit;

namespace Gateway.Tests.Access;

public sealed class ExternalIssuerTests
{
    private const string Subject = "ci:repo:acme/app:ref:refs/heads/main";

    [Fact]
    public async Task Token_of_a_configured_issuer_identifies_its_actor_with_the_issuers_prefix()
    {
        using var rig = new IssuerRig();

        Assert.Equal(new Identity.Known(Subject), await rig.Access.IdentifyAsync($"Bearer {rig.Token()}"));
    }

    [Fact]
    public async Task Token_is_accepted_as_a_password_with_any_user_name()
    {
        using var rig = new IssuerRig();

        Assert.Equal(new Identity.Known(Subject), await rig.Access.IdentifyAsync(AccessRig.Basic("oidc", rig.Token())));
    }

    [Fact]
    public async Task Configured_claim_names_the_actor()
    {
        using var rig = new IssuerRig(issuer => issuer with { Actor = "repository" });

        Assert.Equal(new Identity.Known("ci:acme/app"), await rig.Access.IdentifyAsync($"Bearer {rig.Token(("repository", "acme/app"))}"));
        Assert.Contains("expected claim repository", await RefusalAsync(rig, rig.Token()));
        Assert.Contains("expected claim repository", await RefusalAsync(rig, rig.Token(("repository", "acme\napp"))));
    }

    [Fact]
    public async Task Rights_match_actor_patterns_and_asterisk_excludes_issuer_actors()
    {
        using var rig = new IssuerRig(
            null, new(["ci:repo:acme/**"], ["acme/**"], AccessActions.Push), new(["*"], ["**"], AccessActions.Pull));
        var ours = await rig.Access.IdentifyAsync($"Bearer {rig.Token()}");
        var other = await rig.Access.IdentifyAsync($"Bearer {rig.Token(("sub", "repo:evil/app:ref:refs/heads/main"))}");

        Assert.Equal(AccessActions.Push, rig.Access.Rights(ours, "acme/app"));
        Assert.Equal(AccessActions.None, rig.Access.Rights(ours, "other/app"));
        Assert.Equal(AccessActions.None, rig.Access.Rights(other, "acme/app"));
    }

    [Fact]
    public async Task Groups_of_the_file_and_of_the_issuer_count()
    {
        using var rig = new IssuerRig(
            issuer => issuer with { Groups = "groups" },
            new(["@builders"], ["built/**"], AccessActions.Push), new(["@ci:admins"], ["**"], AccessActions.Delete));

        var admin = await rig.Access.IdentifyAsync($"Bearer {rig.Token(("groups", new[] { "admins", "unheard-of" }))}");
        var other = await rig.Access.IdentifyAsync($"Bearer {rig.Token(("sub", "somebody"), ("groups", "users"))}");

        Assert.Equal(["@ci:admins"], Assert.IsType<Identity.Known>(admin).Groups);
        Assert.Equal(AccessActions.Push | AccessActions.Delete, rig.Access.Rights(admin, "built/app"));
        Assert.Equal(AccessActions.None, rig.Access.Rights(other, "built/app"));
    }

    [Fact]
    public async Task Token_for_another_audience_time_or_place_is_refused_with_the_reason()
    {
        using var rig = new IssuerRig(issuer => issuer with { Require = issuer.Require.Add("ref", "refs/heads/*") });
        var now = rig.Access.Clock.GetUtcNow().ToUnixTimeSeconds();
        (string, object?) main = ("ref", "refs/heads/main");

        Assert.IsType<Identity.Known>(await rig.Access.IdentifyAsync($"Bearer {rig.Token(main)}"));
        Assert.Contains(
            "expected aud registry.example.com, got other.example.com",
            await RefusalAsync(rig, rig.Token(main, ("aud", "other.example.com"))));
        Assert.Contains(
            "expected aud registry.example.com, got registry.example.com/",
            await RefusalAsync(rig, rig.Token(main, ("aud", "registry.example.com/"))));
        Assert.Contains("it expired at", await RefusalAsync(rig, rig.Token(main, ("exp", now - 61))));
        Assert.Contains("it is not valid before", await RefusalAsync(rig, rig.Token(main, ("nbf", now + 61))));
        Assert.Contains("expected exp, got none", await RefusalAsync(rig, rig.Token(main, ("exp", null))));
        Assert.Contains(
            "expected claim ref to be refs/heads/*, got refs/tags/v1", await RefusalAsync(rig, rig.Token(("ref", "refs/tags/v1"))));
        Assert.Contains("expected claim ref to be refs/heads/*, got none", await RefusalAsync(rig, rig.Token()));
        Assert.Contains(
            "no issuer of access.issuers made it", await RefusalAsync(rig, rig.Token(main, ("iss", "https://evil.example.com"))));
        Assert.Contains("no issuer of access.issuers made it", await RefusalAsync(rig, rig.Token(main, ("iss", IssuerRig.Url + "/"))));
    }

    [Fact]
    public async Task Claim_of_yes_or_no_can_be_required()
    {
        using var rig = new IssuerRig(issuer => issuer with { Actor = "email", Require = issuer.Require.Add("email_verified", "true") });
        (string, object?) email = ("email", "ann@example.com");

        Assert.IsType<Identity.Known>(await rig.Access.IdentifyAsync($"Bearer {rig.Token(email, ("email_verified", true))}"));
        await RefusalAsync(rig, rig.Token(email, ("email_verified", false)));
        await RefusalAsync(rig, rig.Token(email));
    }

    [Fact]
    public async Task Only_the_issuers_own_asymmetric_keys_count()
    {
        using var rig = new IssuerRig();
        var stranger = IssuerRig.NewKey("stranger");
        var impostor = IssuerRig.NewKey("first");
        var embedded = $$"""{"alg":"ES256","kid":"stranger","jwk":{{IssuerRig.KeySet(stranger)}},"jku":"https://evil.example.com"}""";

        Assert.Contains("expected a key of its issuer, got another", await RefusalAsync(rig, rig.Sign(stranger)));
        Assert.Contains("expected a signature of its issuer, got another", await RefusalAsync(rig, rig.Sign(impostor)));
        Assert.Contains(", got", await RefusalAsync(rig, rig.Unsigned(embedded, rig.Sign(stranger).Split('.')[2])));
        await RefusalAsync(rig, rig.Unsigned("""{"alg":"none"}"""));
        await RefusalAsync(rig, rig.Sign(new SymmetricSecurityKey(rig.PublicKey) { KeyId = "first" }));
    }

    /// <summary>RFC 7515, 4.1.11: who does not know what a signer declares critical must refuse the token.</summary>
    [Fact]
    public async Task Token_with_a_critical_header_is_refused()
    {
        using var rig = new IssuerRig();

        Assert.Contains("expected no crit in its header", await RefusalAsync(rig, rig.TokenWithHeader("crit", new[] { "exp" })));
    }

    [Fact]
    public async Task Token_with_any_changed_character_is_refused()
    {
        using var rig = new IssuerRig();
        var token = rig.Token();

        for (var i = 0; i < token.Length; i++)
        {
            // The last character of a part may carry bits that mean nothing.
            if (token[i] == '.' || i + 1 == token.Length || token[i + 1] == '.') continue;
            var forged = token.ToCharArray();
            forged[i] = forged[i] == 'A' ? 'B' : 'A';
            Assert.IsType<Identity.Wrong>(await rig.Access.IdentifyAsync($"Bearer {new string(forged)}"));
        }
    }

    [Theory]
    [InlineData("eyJ..")]
    [InlineData("eyJhbGciOiJFUzI1NiJ9.e30.AA")]
    [InlineData("eyJhbGciOiJFUzI1NiJ9.W10.AA")]
    public async Task Invalid_token_is_refused(string text)
    {
        using var rig = new IssuerRig();

        Assert.IsType<Identity.Wrong>(await rig.Access.IdentifyAsync($"Bearer {text}"));
    }

    [Fact]
    public async Task Exchanged_token_keeps_actor_and_groups_and_ends_when_the_issuer_is_removed()
    {
        using var rig = new IssuerRig(
            issuer => issuer with { Groups = "groups" }, new AccessRule(["@ci:admins"], ["**"], AccessActions.Delete));
        var access = rig.Access;
        var answer = await access.Control.IssueTokenAsync(
            AccessRig.Basic("oidc", rig.Token(("groups", "admins"))), new() { Offline = true }, null, CancellationToken.None);
        var grant = Assert.IsType<TokenAnswer.Issued>(answer).Grant;

        Assert.Null(grant.RefreshToken);
        access.Control = access.Control.With(access.Options);
        var known = Assert.IsType<Identity.Known>(await access.IdentifyAsync($"Bearer {grant.Token}"));
        Assert.Equal((Subject, "@ci:admins"), (known.Actor, Assert.Single(known.Groups)));
        Assert.Equal(AccessActions.Delete, access.Rights(known, "any"));

        access.Control = access.Control.With(access.Options with { Issuers = access.Options.Issuers.Clear() });
        Assert.IsType<Identity.Wrong>(await access.IdentifyAsync($"Bearer {grant.Token}"));
    }

    [Fact]
    public async Task Published_keys_are_fetched_once_and_again_for_a_new_signing_key()
    {
        using var issuer = new PublishingIssuer();
        var (first, second) = (IssuerRig.NewKey("one"), IssuerRig.NewKey("two"));
        issuer.Keys = IssuerRig.KeySet(first);
        using var rig = new IssuerRig(options => options with { Url = issuer.Url, Keys = null });
        string Signed(ECDsaSecurityKey key) => $"Bearer {rig.Sign(key, ("iss", issuer.Url))}";

        for (var i = 0; i < 5; i++) Assert.IsType<Identity.Known>(await rig.Access.IdentifyAsync(Signed(first)));
        Assert.Equal(1, issuer.DiscoveryReads);

        issuer.Keys = IssuerRig.KeySet(first, second);
        Assert.IsType<Identity.Wrong>(await rig.Access.IdentifyAsync(Signed(second)));
        rig.Access.Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.IsType<Identity.Known>(await rig.Access.IdentifyAsync(Signed(second)));
        Assert.Equal(2, issuer.DiscoveryReads);
    }

    [Fact]
    public async Task Unknown_key_ids_fetch_keys_at_most_every_ten_seconds()
    {
        using var issuer = new PublishingIssuer();
        issuer.Keys = IssuerRig.KeySet(IssuerRig.NewKey("one"));
        using var rig = new IssuerRig(options => options with { Url = issuer.Url, Keys = null });

        for (var i = 0; i < 20; i++)
        {
            await rig.Access.IdentifyAsync($"Bearer {rig.Sign(IssuerRig.NewKey($"made-up-{i}"), ("iss", issuer.Url))}");
            rig.Access.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.InRange(issuer.DiscoveryReads, 1, 3);
    }

    [Fact]
    public async Task Known_keys_stay_valid_for_a_day_while_the_issuer_is_unavailable()
    {
        using var issuer = new PublishingIssuer();
        var key = IssuerRig.NewKey("one");
        issuer.Keys = IssuerRig.KeySet(key);
        using var rig = new IssuerRig(options => options with { Url = issuer.Url, Keys = null });
        Task<Identity> Identify() => rig.Access.IdentifyAsync($"Bearer {rig.Sign(key, ("iss", issuer.Url))}");
        Assert.IsType<Identity.Known>(await Identify());
        issuer.IsDown = true;

        rig.Access.Clock.Advance(TimeSpan.FromHours(23));
        Assert.IsType<Identity.Known>(await Identify());
        rig.Access.Clock.Advance(TimeSpan.FromHours(2));
        Assert.Contains("its issuer's keys are unavailable", Assert.IsType<Identity.Undecided>(await Identify()).Why);
        Assert.Contains(
            rig.Access.Logged, line => line.StartsWith($"Keys of issuer {issuer.Url} not fetched", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Discovery_document_of_another_issuer_gives_no_keys()
    {
        using var issuer = new PublishingIssuer();
        var key = IssuerRig.NewKey("one");
        (issuer.Keys, issuer.NamedIssuer) = (IssuerRig.KeySet(key), "https://evil.example.com");
        using var rig = new IssuerRig(options => options with { Url = issuer.Url, Keys = null });

        var answer = await rig.Access.IdentifyAsync($"Bearer {rig.Sign(key, ("iss", issuer.Url))}");
        Assert.Contains("its issuer's keys are unavailable", Assert.IsType<Identity.Undecided>(answer).Why);
        Assert.Contains("got that of another issuer", rig.Access.Control.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>maintenance</html>")]
    [InlineData("{\"issuer\":\"http")]
    [InlineData("{}")]
    [InlineData("[]")]
    public async Task Unusable_discovery_document_leaves_the_token_undecided(string document)
    {
        using var issuer = new PublishingIssuer { OtherDocument = document };
        var key = IssuerRig.NewKey("one");
        issuer.Keys = IssuerRig.KeySet(key);
        using var rig = new IssuerRig(options => options with { Url = issuer.Url, Keys = null });

        var answer = await rig.Access.IdentifyAsync($"Bearer {rig.Sign(key, ("iss", issuer.Url))}");
        Assert.Contains("its issuer's keys are unavailable", Assert.IsType<Identity.Undecided>(answer).Why);
    }

    [Fact]
    public async Task Unavailable_issuer_or_one_without_keys_leaves_the_token_undecided()
    {
        using var issuer = new PublishingIssuer();
        var (known, later) = (IssuerRig.NewKey("one"), IssuerRig.NewKey("two"));
        issuer.Keys = IssuerRig.KeySet(known);
        using var rig = new IssuerRig(options => options with { Url = issuer.Url, Keys = null });
        Task<Identity> Identify(Microsoft.IdentityModel.Tokens.ECDsaSecurityKey key) =>
            rig.Access.IdentifyAsync($"Bearer {rig.Sign(key, ("iss", issuer.Url))}");
        Assert.IsType<Identity.Known>(await Identify(known));
        Assert.IsType<Identity.Wrong>(await Identify(later));

        issuer.Keys = IssuerRig.KeySet();
        rig.Access.Clock.Advance(TimeSpan.FromHours(2));
        Assert.IsType<Identity.Known>(await Identify(known));
        Assert.Contains("expected a key for signatures", rig.Access.Control.Problem, StringComparison.Ordinal);
        issuer.IsDown = true;
        rig.Access.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.IsType<Identity.Undecided>(await Identify(later));

        (issuer.IsDown, issuer.Keys) = (false, IssuerRig.KeySet(later));
        rig.Access.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.IsType<Identity.Known>(await Identify(later));
        Assert.Null(rig.Access.Control.Problem);
    }

    [Fact]
    public async Task Log_names_the_issuer_and_the_reason_and_never_the_token()
    {
        using var rig = new IssuerRig();
        var token = rig.Token(("aud", "other"));

        await RefusalAsync(rig, token);

        Assert.Equal(["Token of issuer ci refused: expected aud registry.example.com, got other"], rig.Access.Logged);
    }

    private static async Task<string> RefusalAsync(IssuerRig rig, string token) =>
        Assert.IsType<Identity.Wrong>(await rig.Access.IdentifyAsync($"Bearer {token}")).Reason;
}
