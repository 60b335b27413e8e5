using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// A server process: it is started and watched, its last <see cref="KeptLines"/> lines of output are stored, and it ends with the test.
/// </summary>
internal sealed class Server : IAsyncDisposable
{
    private const int KeptLines = 20_000;
    private const int SigTerm = 15;
    private const int SigContinue = 18;
    private const int SigStop = 19;

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly ConcurrentQueue<string> _leaks = new();

    private Server(Process process)
    {
        _process = process;
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string[] Output => [.. _output];

    /// <summary>Every line that contained a secret.</summary>
    public string[] Leaks => [.. _leaks];

    /// <summary>Starts the program without a shell or console.</summary>
    public static Server Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        var server = new Server(new Process { StartInfo = start });
        server._process.Start();
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        return server;
    }

    /// <summary>A client that accepts any certificate.</summary>
    public static HttpClient AnyCertificate() => new(new HttpClientHandler
    {
        ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator,
    });

    /// <summary>Polls <paramref name="url"/> until it answers 200.</summary>
    /// <exception cref="InvalidOperationException">The process ended, or did not answer in time; the message has its output.</exception>
    public Task WaitUntilReadyAsync(Uri url, TimeSpan within) => ReadyOrEndedAsync(() => AnswersAsync(url, within));

    /// <summary>Waits until the process is ready. A failed start leaves no process running.</summary>
    public async Task ReadyOrEndedAsync(Func<Task> ready)
    {
        try
        {
            await ready();
        }
        catch
        {
            await KillAsync();
            throw;
        }
    }

    private async Task AnswersAsync(Uri url, TimeSpan within)
    {
        using var http = AnyCertificate();
        http.Timeout = Patience.Of(2);
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < within)
        {
            if (HasExited)
                throw new InvalidOperationException($"Process ended with {_process.ExitCode} before it was ready:\n{Tail()}");
            try
            {
                using var answer = await http.GetAsync(url);
                if (answer.StatusCode == HttpStatusCode.OK)
                    return;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // The server does not listen yet.
            }
            await Task.Delay(20);
        }
        throw new InvalidOperationException($"{url} did not answer 200 within {within.TotalSeconds} s:\n{Tail()}");
    }

    /// <summary>Sends SIGKILL: no handler runs, and nothing is flushed.</summary>
    public async Task KillAsync()
    {
        if (!HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Sends SIGTERM, and waits for the exit.</summary>
    public async Task<int> StopAsync()
    {
        if (!HasExited)
            _ = SendSignal(Id, SigTerm);
        await _process.WaitForExitAsync().InTimeAsync($"process {Id} ends after SIGTERM", 30);
        return _process.ExitCode;
    }

    /// <summary>Sends SIGSTOP: the process does nothing until <see cref="Continue"/>, and its connections stay open.</summary>
    public void Pause() => _ = SendSignal(Id, SigStop);

    /// <summary>Sends SIGCONT.</summary>
    public void Continue() => _ = SendSignal(Id, SigContinue);

    /// <summary>Waits until a line of the output contains a text: a line can arrive after the answer to which it belongs.</summary>
    public Task SaysAsync(string text) => SayAsync([this], text);

    /// <summary>Waits until one of several processes says a text.</summary>
    public static Task SayAsync(IReadOnlyCollection<Server> servers, string text) => Eventually.TrueAsync(
        () => Task.FromResult(servers.Any(each => each.Output.Any(line => line.Contains(text, StringComparison.Ordinal)))),
        () => $"expected a line with {text}, got:\n{string.Join("\n---\n", servers.Select(each => each.Tail()))}");

    /// <summary>The last lines of output, for the message of a failure.</summary>
    public string Tail(int lines = 60) => string.Join('\n', _output.TakeLast(lines));

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }


    [DllImport("libc", EntryPoint = "kill")]
    private static extern int SendSignal(int process, int signal);

    private void Keep(string? line)
    {
        if (line is null)
            return;
        if (Canary.IsIn(line))
            _leaks.Enqueue(line);
        _output.Enqueue(line);
        while (_output.Count > KeptLines)
            _output.TryDequeue(out _);
    }
}
