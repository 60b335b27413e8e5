using System.Diagnostics;

namespace Gateway.BlackBox.Rig;

/// <summary>The result of a client program.</summary>
internal sealed record Output(string Command, int ExitCode, string Stdout, string Stderr)
{
    public string Text => Stdout + Stderr;

    /// <exception cref="Xunit.Sdk.XunitException">It failed; the message has what it wrote.</exception>
    public Output Succeeded()
    {
        if (ExitCode != 0)
            Assert.Fail($"{Command}\nexited with {ExitCode}:\n{Text}");
        return this;
    }

    public Output Failed()
    {
        if (ExitCode == 0)
            Assert.Fail($"{Command}\nexpected a failure, got success:\n{Text}");
        return this;
    }
}

/// <summary>Runs real client programs with their own home, keyring and temporary folder.</summary>
internal sealed class Client : IDisposable
{
    /// <summary>No client call here takes 10 s on an idle machine; a call that hangs must end the test, not the run.</summary>
    private static TimeSpan Limit => Patience.Of(120);

    public Client()
    {
        Directory.CreateDirectory(Folder["home"]);
        Directory.CreateDirectory(Folder["tmp"]);
    }

    /// <summary>The working directory, where test files are written.</summary>
    public TempFolder Folder { get; } = new();

    /// <summary>Additional environment variables of every program.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    public Task<Output> SkopeoAsync(params string[] arguments) => RunAsync("skopeo", ["--insecure-policy", .. arguments]);

    public Task<Output> CraneAsync(params string[] arguments) => RunAsync("crane", arguments);

    public Task<Output> OrasAsync(params string[] arguments) => RunAsync("oras", arguments);

    public Task<Output> HelmAsync(params string[] arguments) => RunAsync("helm", arguments);

    /// <summary>Runs an installed program, or <c>dotnet</c>, until it exits.</summary>
    public Task<Output> RunAsync(string program, params string[] arguments) =>
        RunFileAsync(program == "dotnet" ? program : RigFolder.Program(program), arguments);

    /// <summary>Runs the program of a file until it exits.</summary>
    public async Task<Output> RunFileAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Folder.Path,
        };
        start.Environment.Clear();
        foreach (var (name, value) in Surroundings().Concat(Environment))
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var stdout = process.StandardOutput.ReadToEndAsync();
        var stderr = process.StandardError.ReadToEndAsync();
        var (command, limit) = ($"{program} {string.Join(' ', arguments)}", Limit);
        using var late = new CancellationTokenSource(limit);
        try
        {
            await process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            Assert.Fail($"{command}\ndid not exit within {limit.TotalSeconds:0} s and was killed:\n{await stdout}{await stderr}");
        }
        return new Output(command, process.ExitCode, await stdout, await stderr);
    }

    public void Dispose() => Folder.Dispose();

    /// <summary>The environment of every program.</summary>
    public Dictionary<string, string> Surroundings() => new()
    {
        ["PATH"] = $"{RigFolder.Root}/bin:/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = Folder["home"],
        ["TMPDIR"] = Folder["tmp"],
        ["XDG_CONFIG_HOME"] = Folder["home/.config"],
        ["XDG_CACHE_HOME"] = Folder["home/.cache"],
        ["XDG_RUNTIME_DIR"] = Folder["tmp"],
        ["GNUPGHOME"] = Folder["home/.gnupg"],
        ["TUF_ROOT"] = Folder["home/.sigstore"],
        ["COSIGN_PASSWORD"] = "test",
        ["LANG"] = "C.UTF-8",
    };
}
