using System.Runtime.InteropServices;

namespace Gateway.Fuzz;

/// <summary>Processor time of the calling thread.</summary>
internal static partial class ThreadClock
{
    private const int ThreadCpuTime = 3; // CLOCK_THREAD_CPUTIME_ID, bits/time.h

    public static TimeSpan Elapsed
    {
        get
        {
            _ = GetTime(ThreadCpuTime, out var time);
            return TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / TimeSpan.NanosecondsPerTick);
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);
}
