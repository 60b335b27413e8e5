using System.Collections.Immutable;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Tests.Repositories;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>The history of a tag, and binding the tag to an earlier manifest.</summary>
public sealed partial class RollbackTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Tag_that_moved_shows_what_it_was_bound_to_also_after_a_restart()
    {
        var (one, two, three) = (await PushAsync(1), await PushAsync(2), await PushAsync(3));
        await PushAsync(3);

        Assert.Equal([two, one], await HistoryAsync());
        await _rig.StopAsync();
        await _rig.StartAgainAsync();

        Assert.Equal([two, one], await HistoryAsync());
        Assert.Equal(three, await LiveAsync());
    }

    [Fact]
    public async Task History_keeps_the_latest_sixteen_and_ends_with_the_tag()
    {
        for (var n = 0; n < 19; n++) await PushAsync(n);
        Assert.Equal(16, (await HistoryAsync()).Length);

        using (var deleted = await _rig.SendAsync("DELETE", "/v2/team/app/manifests/v1")) Assert.Equal(202, (int)deleted.StatusCode);
        await PushAsync(3);

        Assert.Empty(await HistoryAsync());
    }

    [Fact]
    public async Task Rollback_binds_the_tag_to_the_earlier_manifest_and_can_be_undone()
    {
        var (one, two) = (await PushAsync(1), await PushAsync(2));

        var (status, answer) = await RollBackAsync(one);

        Assert.Equal((200, "live", one), (status, (string?)answer["state"], await LiveAsync()));
        Assert.Equal([two], await HistoryAsync());
        await RollBackAsync(two);
        Assert.Equal(two, await LiveAsync());
    }

    [Theory]
    [InlineData(OnMissing.Deny)]
    [InlineData(OnMissing.Quarantine)]
    public async Task Manifest_that_the_policy_does_not_admit_now_does_not_become_live(OnMissing onMissing)
    {
        var (one, two) = (await PushAsync(1), await PushAsync(2));
        await _rig.UseAsync(options => options with { Policy = Unsigned(onMissing) });

        var (status, answer) = await RollBackAsync(one);

        Assert.Equal(onMissing == OnMissing.Deny ? (409, null) : (200, "held"), (status, (string?)answer["state"]));
        if (onMissing == OnMissing.Deny) Assert.Contains("signature", (string)answer["problem"]!, StringComparison.Ordinal);
        await _rig.UseAsync(options => options with { Policy = null });
        Assert.Equal(onMissing == OnMissing.Deny ? two : one, await LiveAsync());
    }

    /// <summary>Without the policy again, the held push of the other case is released by the next pull.</summary>
    [Fact]
    public async Task Held_rollback_leaves_the_tag_as_it_is()
    {
        var (one, two) = (await PushAsync(1), await PushAsync(2));
        await _rig.UseAsync(options => options with { Policy = Unsigned(OnMissing.Quarantine) });

        await RollBackAsync(one);

        var page = await ImageAsync();
        Assert.Equal((two, one), ((string)page["digest"]!, (string)page["held"]!["digest"]!));
    }

    [Fact]
    public async Task Rollback_is_refused_where_the_tag_moved_meanwhile_or_the_manifest_is_gone()
    {
        var (one, two) = (await PushAsync(1), await PushAsync(2));
        var (moved, why) = await RollBackAsync(one, from: one);
        Assert.Equal((409, two), (moved, await LiveAsync()));
        Assert.Contains("by now", (string)why["problem"]!, StringComparison.Ordinal);

        using (var deleted = await _rig.SendAsync("DELETE", $"/v2/team/app/manifests/{one}")) Assert.Equal(202, (int)deleted.StatusCode);
        var (gone, because) = await RollBackAsync(one);

        Assert.Equal((409, two), (gone, await LiveAsync()));
        Assert.Contains("restore it from the trash", (string)because["problem"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_says_what_a_rollback_does_and_the_form_does_it()
    {
        var (one, two) = (await PushAsync(1), await PushAsync(2));
        var link = $"/rollback?repository=team%2Fapp&amp;tag=v1&amp;digest={Uri.EscapeDataString(one)}";
        Assert.Contains(link, await ReadAsync("/image?repository=team/app&reference=v1"), StringComparison.Ordinal);

        var page = await ReadAsync($"/rollback?repository=team/app&tag=v1&digest={one}");
        Assert.Contains($"gateway rollback team/app:v1 --to {one}", page, StringComparison.Ordinal);
        var fields = Fields().Matches(page).ToDictionary(static m => m.Groups[1].Value, static m => m.Groups[2].Value);
        Assert.Equal(two, fields["from"]);
        using var answer = await _rig.Client.PostAsync(new Uri(_rig.Operator, "/rollback"), new FormUrlEncodedContent(fields));

        Assert.Equal((200, one), ((int)answer.StatusCode, await LiveAsync()));
    }

    private static PolicyOptions Unsigned(OnMissing onMissing) => new()
    {
        Default = Outcome.Allow,
        Trust = new()
        {
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release")),
        },
        Rules = [HoldRig.Rule(onMissing) with { Repositories = ["team/**"] }],
    };

    /// <summary>Pushes the manifest with this number as v1.</summary>
    private async Task<string> PushAsync(int number)
    {
        await _rig.PushBlobAsync("team/app", "{}"u8.ToArray());
        var text = Encoding.UTF8.GetString(GatewayRig.ManifestBytes());
        var bytes = Encoding.UTF8.GetBytes(text[..^1] + $$$""","annotations":{"number":"{{{number}}}"}}""");
        using var answer = await _rig.PutManifestAsync("team/app", "v1", bytes);
        Assert.Equal(201, (int)answer.StatusCode);
        return Digest.Of(bytes).ToString();
    }

    private async Task<(int Status, JsonNode Answer)> RollBackAsync(string digest, string? from = null)
    {
        var body = new JsonObject { ["reference"] = "team/app:v1", ["digest"] = digest, ["from"] = from };
        using var answer = await _rig.Client.PostAsJsonAsync(new Uri(_rig.Operator, "/api/v1/rollback"), body);
        return ((int)answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    private async Task<JsonNode> ImageAsync() =>
        JsonNode.Parse(await ReadAsync("/api/v1/pages/image?repository=team/app&reference=v1"))!;

    private async Task<string[]> HistoryAsync() =>
        [.. (await ImageAsync())["history"]!.AsArray().Select(static row => (string)row!["digest"]!)];

    private async Task<string> LiveAsync()
    {
        using var answer = await _rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        return GatewayRig.Header(answer, "Docker-Content-Digest")!;
    }

    private Task<string> ReadAsync(string path) => _rig.Client.GetStringAsync(new Uri(_rig.Operator, path));

    [GeneratedRegex(@"<input type=""hidden"" name=""(\w+)"" value=""([^""]*)""")]
    private static partial Regex Fields();
}
