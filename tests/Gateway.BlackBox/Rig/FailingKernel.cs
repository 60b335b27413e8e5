namespace Gateway.BlackBox.Rig;

/// <summary>
/// Makes system calls of a running process fail, with strace: the kernel does not run the call, and the process gets the error. Or makes
/// them slow. Only calls on the given files are changed. It ends when it is disposed; the process continues.
/// </summary>
internal sealed class FailingKernel : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private Server? _tracer;

    private string Trace => _folder["trace"];

    /// <summary>Calls that failed so far, as strace prints them.</summary>
    public string[] Failed => File.Exists(Trace)
        ? [.. File.ReadLines(Trace).Where(line => line.Contains("(INJECTED)", StringComparison.Ordinal))]
        : [];

    /// <summary>Calls that were delayed so far.</summary>
    public int Delayed => File.Exists(Trace)
        ? File.ReadLines(Trace).Count(line => line.Contains("(DELAYED)", StringComparison.Ordinal))
        : 0;

    /// <summary>The command that starts a program whose calls fail from the start.</summary>
    /// <param name="calls">Names of system calls, separated by commas.</param>
    /// <param name="error">The error, such as <c>EIO</c>.</param>
    /// <param name="paths">Files that the calls are on; none for any file.</param>
    public static string[] Command(string calls, string error, params string[] paths) =>
        [RigFolder.Program("strace"), "--kill-on-exit", "-f", "-qq", "-o", "/dev/null", .. Inject(calls, $"error={error}", paths), "--"];

    /// <summary>Makes calls of a process fail from now on.</summary>
    public static Task<FailingKernel> AttachAsync(int process, string calls, string error, params string[] paths) =>
        AttachAsync(process, Inject(calls, $"error={error}", paths));

    /// <summary>Makes each of these calls of a process begin later from now on.</summary>
    public static Task<FailingKernel> AttachSlowAsync(int process, string calls, TimeSpan delay, params string[] paths) =>
        AttachAsync(process, Inject(calls, $"delay_enter={delay.TotalMicroseconds:0}", paths));

    private static async Task<FailingKernel> AttachAsync(int process, string[] inject)
    {
        var kernel = new FailingKernel();
        kernel._tracer = Server.Start(RigFolder.Program("strace"), ["-f", "-p", $"{process}", "-o", kernel.Trace, .. inject]);
        await Eventually.TrueAsync(
            () => Task.FromResult(
                kernel._tracer.HasExited || kernel._tracer.Output.Any(line => line.Contains("attached", StringComparison.Ordinal))),
            () => $"strace did not attach to {process}:\n{kernel._tracer.Tail()}");
        if (kernel._tracer.HasExited)
            Assert.Fail($"strace ended (tracing needs root, or the same user and kernel.yama.ptrace_scope 0):\n{kernel._tracer.Tail()}");
        return kernel;
    }

    public async ValueTask DisposeAsync()
    {
        if (_tracer is not null)
        {
            await _tracer.StopAsync();
            await _tracer.DisposeAsync();
        }
        _folder.Dispose();
    }

    private static string[] Inject(string calls, string what, string[] paths) =>
        ["-e", $"trace={calls}", "-e", $"inject={calls}:{what}", .. paths.SelectMany(path => new[] { "-P", path })];
}
