using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Gateway.Bench;

/// <summary>A server that is measured: a process, with the processes that it starts.</summary>
internal sealed partial class Server : IDisposable
{
    // <linux/posix-timers.h>: CPUCLOCK_SCHED of a whole process. It is the sum of utime and stime of /proc/<pid>/stat, in nanoseconds and
    // not in ticks of 10 ms.
    private const int SchedulerClock = 2;
    private const int SigTerm = 15;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);
    private static readonly HashSet<Server> Running = [];
    private static volatile bool _isOver;

    private readonly Process _process;
    private readonly string _errors;

    private Server(Process process, string errors) => (_process, _errors) = (process, errors);

    /// <summary>When the process was started (<see cref="Stopwatch.GetTimestamp"/>).</summary>
    public long Started { get; private init; }

    public int Port { get; private init; }

    /// <summary>Processor time so far, user and system, in seconds.</summary>
    public double Cpu => Processes().Sum(CpuOf);

    /// <summary>Resident memory now, in MiB.</summary>
    public double Resident => Processes().Sum(id => Status(id, "VmRSS:"));

    /// <summary>The peak of resident memory since <see cref="ForgetPeak"/>, in MiB.</summary>
    public double Peak => Processes().Sum(id => Status(id, "VmHWM:"));

    /// <summary>Starts a program. Its output is dropped; its errors are in a file, and in the message if it does not start.</summary>
    public static Server Start(string work, string name, int port, string program, params string[] arguments)
    {
        var errors = Path.Combine(work, $"{name}.err");
        // A shell redirects, so that no thread of this process reads the access log, which the servers write to their standard output.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>\"$0\"", errors, program, .. arguments]);
        start.Environment["OTEL_TRACES_EXPORTER"] = "none";
        lock (Running)
        {
            if (_isOver) throw new InvalidOperationException("the run is over");
            var started = Stopwatch.GetTimestamp();
            var server = new Server(Process.Start(start)!, errors) { Started = started, Port = port };
            Running.Add(server);
            return server;
        }
    }

    /// <summary>Whether the servers were ended, after which every measurement fails.</summary>
    public static bool IsOver => _isOver;

    /// <summary>Ends all servers; none can be started afterwards.</summary>
    public static void EndAll()
    {
        Server[] all;
        lock (Running)
        {
            _isOver = true;
            all = [.. Running];
        }
        Parallel.ForEach(all, server => server.Dispose());
    }

    /// <summary>A free port below 32768, where Linux begins to assign ports to outgoing connections.</summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = Random.Shared.Next(20_000, 32_768);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // In use.
            }
        }
    }

    /// <summary>Asks until the answer is 200; the seconds since the start of the process.</summary>
    public double WaitFor(string path, string headers = "")
    {
        while (Stopwatch.GetElapsedTime(Started) < StartLimit)
        {
            if (_process.HasExited) break;
            try
            {
                using var connection = Connection.Open(Port);
                if (connection.Get(path, headers) == 200) return Stopwatch.GetElapsedTime(Started).TotalSeconds;
            }
            catch (IOException)
            {
                // Not there yet.
            }
            Thread.Sleep(2);
        }
        var errors = File.ReadAllText(_errors);
        throw new InvalidOperationException(
            $"expected 200 for {path} within {StartLimit.TotalSeconds} s of the start, got none: {errors[..Math.Min(errors.Length, 400)]}");
    }

    /// <summary>Waits until the server uses no more processor time: what it does after the answer counts too.</summary>
    public void Settle()
    {
        var end = Stopwatch.GetTimestamp() + 20 * Stopwatch.Frequency;
        for (var last = Cpu; Stopwatch.GetTimestamp() < end; last = Cpu)
        {
            Thread.Sleep(150);
            // 2 % of a processor: timers of the runtimes use less, a transfer at 32 MiB/s more.
            if (Cpu - last < 0.003) return;
        }
    }

    /// <summary>Begins a new peak of resident memory (proc(5), clear_refs).</summary>
    public void ForgetPeak()
    {
        foreach (var id in Processes()) File.WriteAllText($"/proc/{id}/clear_refs", "5");
    }

    /// <summary>Ends the process with SIGTERM, after 10 s with SIGKILL.</summary>
    public void Dispose()
    {
        lock (Running)
        {
            if (!Running.Remove(this)) return;
        }
        if (!_process.HasExited && SendSignal(_process.Id, SigTerm) == 0 && !_process.WaitForExit(TimeSpan.FromSeconds(10)))
            _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }

    private static double CpuOf(int id) =>
        ClockGetTime((~id << 3) | SchedulerClock, out var time) == 0 ? time.Seconds + time.Nanoseconds / 1e9 : 0;

    private static double Status(int id, string field) =>
        double.Parse(
            File.ReadLines($"/proc/{id}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2],
            CultureInfo.InvariantCulture) / 1024;

    // Varnish has a child that serves.
    private IEnumerable<int> Processes() =>
        File.ReadAllText($"/proc/{_process.Id}/task/{_process.Id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(id => int.Parse(id, CultureInfo.InvariantCulture)).Prepend(_process.Id);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Time
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out Time time);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
