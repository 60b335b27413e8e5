using System.Diagnostics;
using System.Globalization;

namespace Gateway.BlackBox.Rig;

/// <summary>One bash in which a reader follows the tour: folder and variables stay from block to block.</summary>
internal sealed class TourShell : IAsyncDisposable
{
    private readonly Process _bash;
    private readonly string _folder;
    private int _count;

    /// <param name="client">Whose environment the commands have.</param>
    /// <param name="folder">Where the reader begins.</param>
    public TourShell(Client client, string folder)
    {
        var start = new ProcessStartInfo("bash", ["--noprofile", "--norc"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = folder,
        };
        start.Environment.Clear();
        foreach (var (name, value) in client.Surroundings().Concat(client.Environment)) start.Environment[name] = value;
        _bash = Process.Start(start)!;
        _folder = client.Folder.Path;
    }

    /// <summary>Runs one command, in which what the page writes is replaced by what the test has.</summary>
    public async Task<Output> RunAsync(string command)
    {
        var (script, printed) = (Path.Combine(_folder, $"step{++_count}.sh"), Path.Combine(_folder, $"step{_count}.out"));
        await File.WriteAllTextAsync(script, command + "\n");
        await _bash.StandardInput.WriteLineAsync($"source '{script}' >'{printed}' 2>&1 </dev/null; echo \"ended $?\"");
        await _bash.StandardInput.FlushAsync();
        var line = await _bash.StandardOutput.ReadLineAsync().InTimeAsync($"this command of the README ends: {command}", 180);
        var code = int.Parse((line ?? "ended 255").AsSpan("ended ".Length), CultureInfo.InvariantCulture);
        return new(command, code, await File.ReadAllTextAsync(printed), "");
    }

    public async ValueTask DisposeAsync()
    {
        _bash.Kill(entireProcessTree: true);
        await _bash.WaitForExitAsync();
        _bash.Dispose();
    }
}
