using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gateway.Bench;

/// <summary>Pulls beside a collection that walks many repositories, and removes blobs that nothing names.</summary>
internal sealed partial class CollectionRows(Settings settings, RepositoriesGateway gateway)
{
    // Blobs that a collection removes: pushed before each one.
    private const int Garbage = 200;

    // Twice the grace time of this gateway: its uses are remembered in four parts.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private int _pushed;

    private static string Manifest => $"/v2/{GeneratedLayout.Repository(42)}/manifests/{GeneratedLayout.Tag(1)}";

    public IEnumerable<Row> All()
    {
        yield return new(
            $"warm manifest by tag, c=16, beside a collection of {settings.Console.Repositories:N0} repositories", "req/s", "µs/req",
            Measure, Goal.P99("alone", 2.0));
    }

    private void Measure(Series series)
    {
        // Compiles what is used often.
        for (var i = 0; i < 2; i++) _ = Ask();
        for (var round = 0; round < settings.Rounds(5); round++)
        {
            for (var i = 0; i < Garbage; i++)
            {
                var bytes = Encoding.ASCII.GetBytes($"garbage {Environment.ProcessId} {_pushed++}");
                Requests.PushBytes(gateway.Server.Port, GeneratedLayout.Repository(7), bytes);
            }
            Thread.Sleep(Grace);
            series.Add("alone", Ask());
            var job = Post("gc", "{}");
            var (sample, runs) = (Ask(), IsRunning(job));
            // A collection that was over before the second was gives no figure.
            if (!runs) throw new InvalidOperationException("expected a collection that takes more than a second, got a shorter one");
            series.Add(Series.Gateway, sample);
            while (IsRunning(job)) Thread.Sleep(100);
        }
    }

    private Sample Ask() => Loads.Wrk(settings.Rig, gateway.Server, gateway.Server.Port, Manifest, 16);

    private string Post(string what, string body)
    {
        var head = string.Create(
            CultureInfo.InvariantCulture, $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n");
        return Id().Match(Ask("POST", what, head, Encoding.ASCII.GetBytes(body))).Groups[1].Value;
    }

    private bool IsRunning(string job) =>
        Ask("GET", $"jobs/{job}", "", []).Contains("\"state\":\"running\"", StringComparison.Ordinal);

    private string Ask(string method, string path, string head, byte[] body)
    {
        using var connection = Connection.Open(gateway.OperatorPort);
        connection.Send(method, $"/api/v1/{path}", head, body);
        var status = connection.ReadHead();
        var answer = new StringBuilder();
        connection.ReadBody(connection.Length, piece => answer.Append(Encoding.UTF8.GetString(piece)));
        return status is 200 or 202
            ? answer.ToString()
            : throw new InvalidOperationException($"expected 200 or 202 for {path}, got {status}: {answer}");
    }

    [GeneratedRegex("^{\"id\":\"([^\"]*)\"")]
    private static partial Regex Id();
}
