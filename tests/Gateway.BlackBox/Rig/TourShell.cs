using System.Diagnostics;
using System.Globalization;

namespace Gateway.BlackBox.Rig;

/// <summary>One bash session for the whole tour: the folder and the variables persist between blocks.</summary>
internal sealed class TourShell : IAsyncDisposable
{
    private readonly Process _bash;
    private readonly string _folder;
    private int _count;

    /// <param name="client">The client whose environment the commands use.</param>
    /// <param name="folder">The folder where the tour begins.</param>
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

    /// <summary>Runs one command, after replacing the page's values with those of the test.</summary>
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
