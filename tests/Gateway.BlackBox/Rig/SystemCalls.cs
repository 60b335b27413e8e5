using System.Globalization;

namespace Gateway.BlackBox.Rig;

/// <summary>Counts the system calls of a running process, with strace.</summary>
internal static class SystemCalls
{
    /// <summary>The number of each call while <paramref name="act"/> runs, by its name.</summary>
    /// <param name="process">Its id; all of its threads count.</param>
    public static async Task<Dictionary<string, int>> CountAsync(int process, Func<Task> act)
    {
        using var folder = new TempFolder();
        await using var tracer = Server.Start(
            RigFolder.Program("strace"), ["-f", "-c", "-S", "name", "-U", "calls,name", "-p", $"{process}", "-o", folder["counts"]]);
        await Eventually.TrueAsync(
            () => Task.FromResult(tracer.HasExited || tracer.Output.Any(line => line.Contains("attached", StringComparison.Ordinal))),
            () => $"strace did not attach to {process}:\n{tracer.Tail()}");
        if (tracer.HasExited)
            Assert.Fail($"strace ended (tracing needs root, or the same user and kernel.yama.ptrace_scope 0):\n{tracer.Tail()}");
        await act();
        await tracer.StopAsync();
        return File.ReadLines(folder["counts"])
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(cells => cells is [var calls, not "total"] && int.TryParse(calls, CultureInfo.InvariantCulture, out _))
            .ToDictionary(cells => cells[1], cells => int.Parse(cells[0], CultureInfo.InvariantCulture));
    }
}
