using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// The work of a page on a store with many repositories, counted and not timed: what a page reads from the disk does not grow with the
/// store. No count may rise; lower a limit when a change lowers its count.
/// </summary>
public sealed class ConsoleWorkTests
{
    private const int Repositories = 600;
    private const int TagsOfEach = 3;
    private const int Requests = 4;

    /// <summary>A page fails when each of so many counts is too high: on a slow machine, more timers run beside its requests.</summary>
    private const int Measurements = 3;

    private const string Looks = "statx newfstatat fstat stat lstat access";

    /// <summary>Pages, with the most looks at files, and the most files and folders opened, of one request.</summary>
    public static TheoryData<string, int, int> Pages => new()
    {
        { "/", 0, 0 },
        // The times of three folders of each of 50 repositories.
        { "/repositories", 150, 0 },
        { "/repositories?search=app00042", 3, 0 },
        { "/repositories?search=absent", 0, 0 },
        // Eight for each of three tags: folders of evidence, and when the content was first seen.
        { "/tags?repository=many/app00042", 24, 0 },
        { "/image?repository=many/app00042&reference=v1", 16, 0 },
        { "/holds", 0, 0 },
        { "/policy", 0, 0 },
        { "/activity", 0, 0 },
        { "/upkeep", 0, 0 },
    };

    [Fact]
    public async Task Page_reads_no_more_of_a_large_store_than_it_did()
    {
        using var folder = new TempFolder();
        GeneratedVolume.Fill(folder["data"], Repositories, TagsOfEach);
        await using var gateway = await GatewayProcess.StartAsync(storage: folder["data"]);
        using var http = new HttpClient();
        var found = new List<string>();
        foreach (var (page, looks, opens) in Pages.Select(static row => row.Data))
        {
            async Task AskAsync() => Assert.NotEmpty(await http.GetStringAsync(new Uri(gateway.Operator, page)));
            for (var i = 0; i < 3; i++) await AskAsync();

            var over = new List<string>();
            do
            {
                var calls = await SystemCalls.CountAsync(gateway.Server.Id, async () =>
                {
                    for (var i = 0; i < Requests; i++) await AskAsync();
                });
                double Of(string names) => (double)names.Split(' ').Sum(name => calls.GetValueOrDefault(name)) / Requests;
                TestContext.Current.SendDiagnosticMessage($"{page}: {Of(Looks)} looks, {Of("openat")} opened");
                // Timers and threads that begin open and read files of /proc. Measured: one in four requests.
                if (Of(Looks) <= looks + 1 && Of("openat") <= opens + 1) break;
                over.Add($"{page}: expected at most {looks} looks and {opens} opened, got {Of(Looks)} and {Of("openat")}");
            }
            while (over.Count < Measurements);
            if (over.Count == Measurements) found.AddRange(over);
        }
        Assert.Equal("", string.Join(Environment.NewLine, found));
    }
}
