using System.Globalization;

namespace Gateway.Transport;

/// <summary>
/// How the file descriptors of this process are shared. Clients' connections may take a third of what is free at the start, and more
/// where <see cref="MostKeptAside"/> is enough for the rest: content that they read, uploads, fetches, connections to upstreams and
/// assemblies that are loaded later. The runtime raises the soft limit (RLIMIT_NOFILE) to the hard one before any of our code runs (seen:
/// 256 of 4,096 becomes 4,096).
/// </summary>
/// <param name="Limit">Descriptors that the process may have.</param>
/// <param name="AtStart">Descriptors in use once the gateway listens; about 240, most of them the runtime's for its assemblies.</param>
internal sealed record Descriptors(int Limit, int AtStart)
{
    /// <summary>
    /// Descriptors that idle connections must leave free, at most. Chosen: the open content, and 1,000 pulls or pushes with three each (a
    /// content, a part, a connection to the upstream); beyond that a request is answered 503.
    /// </summary>
    public const int MostKeptAside = 4096;

    // Chosen: below it a dozen clients with a pull and a push each find no descriptor.
    private const int Few = 256;

    /// <summary>No limit: the value before anything was measured.</summary>
    public static readonly Descriptors Plenty = new(int.MaxValue, 0);

    /// <summary>Descriptors that were free at the start.</summary>
    public int Remaining => Math.Max(0, Limit - AtStart);

    /// <summary>Content that may stay open while no request reads it.</summary>
    public int OpenFiles => Math.Clamp(Remaining / 6, 1, Storage.OpenFiles.MostKept);

    /// <summary>Whether the operator should raise the limit.</summary>
    public bool AreFew => Remaining < Few;

    /// <summary>Reads the limit and counts the descriptors in use.</summary>
    public static Descriptors Measure() => new(ReadLimit(), InUse);

    /// <summary>Descriptors in use now.</summary>
    public static int InUse => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    /// <summary>
    /// Whether a new connection must be closed. The kernel gives the lowest free number (open(2)), so that the number of a new one tells
    /// how many are in use.
    /// </summary>
    public bool AreUsedUpBy(int descriptor) => descriptor >= AtStart + Math.Max(Remaining / 3, Remaining - MostKeptAside);

    private static int ReadLimit()
    {
        // "Max open files            1024                 524288               files" (proc(5)).
        var line = File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal));
        var soft = line["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
        return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : int.MaxValue;
    }
}
