using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Hostile;

/// <summary>Requests with ambiguous framing, sent to the gateway directly and through the proxies that people put in front of it.</summary>
public sealed partial class RawRequestTests
{
    [Fact]
    public async Task Ambiguous_request_is_refused_with_everything_after_it()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var answers = new string[RawCorpus.Cases.Count];

        await Parallel.ForEachAsync(RawCorpus.Cases, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (each, _) =>
            answers[each.Number] = await RawConnection.ExchangeAsync(gateway.Host, each.Bytes, HangUp(each)));

        await gateway.Server.StopAsync();
        var handled = Handled(gateway.Server.Output);
        AssertNone(RawCorpus.Cases.Select(each => ProblemOf(each, RawConnection.Statuses(answers[each.Number]), handled)).OfType<string>());
    }

    [Fact]
    public async Task Bytes_sent_before_a_disconnect_are_only_a_request_when_they_begin_one()
    {
        await using var gateway = await GatewayProcess.StartAsync();

        await Parallel.ForEachAsync(RawCorpus.Cases, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (each, _) =>
            await RawConnection.ExchangeAsync(gateway.Host, each.Bytes, TimeSpan.Zero));

        await gateway.Server.StopAsync();
        AssertNone(Handled(gateway.Server.Output).Where(repository => repository.EndsWith("/smuggled", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("nginx")]
    [InlineData("haproxy")]
    public async Task Gateway_behind_a_proxy_answers_exactly_the_requests_that_the_proxy_read(string name)
    {
        await using var gateway = await GatewayProcess.StartAsync();
        string[] asked;
        var strays = new List<string>();
        await using (var front = await Front.StartAsync(name, gateway.Host))
        {
            foreach (var each in RawCorpus.Cases)
            {
                await RawConnection.ExchangeAsync(front.Host, each.Bytes, TimeSpan.FromMilliseconds(200));
                // The next client on the same connection to the gateway gets its own answer.
                var victim = $"c{each.Number}/victim";
                var request = $"GET /v2/{victim}/tags/list HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                var answer = await RawConnection.ExchangeAsync(front.Host, Encoding.ASCII.GetBytes(request));
                if (!answer.Contains($"repository {victim} is not known here", StringComparison.Ordinal))
                    strays.Add($"{each.Name}: {answer}");
            }
            asked = await front.SettledAsync();
        }

        await gateway.Server.StopAsync();
        AssertNone(strays);
        var read = asked.Select(line => Repository().Match(line).Groups[1].Value).ToHashSet();
        AssertNone(Handled(gateway.Server.Output).Where(repository => !read.Contains(repository)));
        Assert.True(read.Count > RawCorpus.Cases.Count, $"{read.Count} requests in {name}'s log");
    }

    private static void AssertNone(IEnumerable<string> wrong)
    {
        string[] all = [.. wrong];
        if (all.Length > 0) Assert.Fail($"{all.Length} cases have another outcome than expected:\n{string.Join('\n', all.Take(200))}");
    }

    // Only incomplete requests wait for more bytes; a complete one ends by itself, however slow the machine is.
    private static TimeSpan? HangUp(RawCase each) => each.Reading is Reading.Sound or Reading.Last ? null : TimeSpan.FromSeconds(1);

    // Null, or what is wrong with the outcome.
    private static string? ProblemOf(RawCase each, int[] statuses, HashSet<string> handled)
    {
        var id = $"c{each.Number}";
        var own = string.Join(' ', handled.Where(repository => repository.StartsWith($"{id}/", StringComparison.Ordinal)));
        var told = $"{each.Name}: {string.Join(' ', statuses)}, handled {own}";
        if (handled.Contains($"{id}/smuggled")) return $"smuggled: {told}";
        var refused = !handled.Contains($"{id}/next") && statuses.Length <= 1;
        var whole = handled.Contains($"{id}/own") && handled.Contains($"{id}/next") && statuses.Length == 2;
        return each.Reading switch
        {
            Reading.Sound when !whole => $"not read: {told}",
            Reading.Last when !refused || !handled.Contains($"{id}/own") => $"not read, or not alone: {told}",
            Reading.Refused when !refused => $"read: {told}",
            Reading.Either when statuses.Length is 0 or > 2 => $"not answered: {told}",
            _ => null,
        };
    }

    private static HashSet<string> Handled(string[] output) =>
    [
        .. output.Where(line => line.StartsWith("{\"time\"", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.TryGetProperty("repository", out _))
            .Select(line => line.GetProperty("repository").GetString()!),
    ];

    [GeneratedRegex("/(c[0-9]+/[a-z]+)/")]
    private static partial Regex Repository();
}
