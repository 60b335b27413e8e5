using System.Globalization;

namespace Gateway.Bench;

/// <summary>What a run measures, and how long. A full run takes at most 12 minutes on two cores, a quick one 2 minutes.</summary>
internal sealed class Settings
{
    /// <summary>One round of each row, with smaller content: to see that everything works, not to quote.</summary>
    public bool IsQuick { get; private init; }

    /// <summary>Only rows whose name contains this are measured.</summary>
    public string Pattern { get; private init; } = "";

    /// <summary>Rows whose name contains one of these are left out.</summary>
    public IReadOnlyList<string> Except { get; private init; } = [];

    /// <summary>Only print the names of the rows.</summary>
    public bool OnlyList { get; private init; }

    /// <summary>File for each sample of each server, one a line; null for none.</summary>
    public string? Samples { get; private init; }

    /// <summary>The folder of this run, which bench/run removes.</summary>
    public string Work { get; } = Environment.GetEnvironmentVariable("GATEWAY_BENCH_WORK")
        ?? throw new UsageException("expected GATEWAY_BENCH_WORK to name the folder of the run, got nothing; start bench/run");

    /// <summary>The gateway's program: a folder that <c>dotnet publish</c> wrote, as the image has it.</summary>
    public string Program => Path.Combine(Work, "app");

    /// <summary>Folder of the launchers that <c>tests/rig/install.sh --bench</c> wrote.</summary>
    public string Rig { get; } = Environment.GetEnvironmentVariable("GATEWAY_RIG")
        ?? throw new UsageException("expected GATEWAY_RIG to name the folder of real clients, got nothing; start bench/run");

    /// <summary>Folder of the generated layouts. Making a layout of a million blobs takes minutes, so it is kept.</summary>
    public string Layouts { get; } = Environment.GetEnvironmentVariable("GATEWAY_BENCH_LAYOUTS")
        ?? Path.Combine(Path.GetTempPath(), "gateway-bench-layouts");

    /// <summary>
    /// Cold pulls of a gateway before the first one that counts, and the size of their blob. The runtime compiles a method again after 30
    /// calls, and once more after another 30; some are called once a pull (docs/performance.md, "cold, first byte").
    /// </summary>
    public static (int Pulls, int Mib) WarmUp => (64, 16);

    /// <summary>The same for a herd, whose 50 clients call them often enough.</summary>
    public static (int Pulls, int Mib) HerdWarmUp => (16, 16);

    public int Rounds(int full) => IsQuick ? 1 : full;

    /// <summary>Sizes in MiB of the large, the middle, and the herd's blob.</summary>
    public (int Large, int Middle, int Herd) Mib => IsQuick ? (128, 32, 32) : (512, 64, 256);

    /// <summary>Sizes in MiB of the blob of the herds on a bucket, and of one that must not be in memory.</summary>
    public (int Herd, int Huge) BucketMib =>
        (FromEnvironment("GATEWAY_HERD_MIB") ?? Mib.Herd, FromEnvironment("GATEWAY_BUCKET_MIB") ?? (IsQuick ? 64 : 1024));

    /// <summary>Clients of the herd.</summary>
    public int Herd => IsQuick ? 20 : 50;

    /// <summary>Blobs and tags of the generated layout.</summary>
    public (int Blobs, int Tags) Layout => IsQuick ? (20_000, 1_000) : (1_000_000, 50_000);

    /// <summary>Repositories of the console's layout, and tags of each.</summary>
    public (int Repositories, int Tags) Console => IsQuick ? (1_000, 10) : (10_000, 10);

    /// <summary>Connections that are held open and send nothing.</summary>
    public int Idle => IsQuick ? 1_000 : 10_000;

    /// <summary>Whether a row of this name is measured.</summary>
    public bool Measures(string row) =>
        row.Contains(Pattern, StringComparison.OrdinalIgnoreCase)
        && !Except.Any(text => row.Contains(text, StringComparison.OrdinalIgnoreCase));

    private static int? FromEnvironment(string name) => Environment.GetEnvironmentVariable(name) switch
    {
        null or "" => null,
        var text when int.TryParse(text, CultureInfo.InvariantCulture, out var mib) && mib is > 0 and <= 2048 => mib,
        var text => throw new UsageException($"expected {name} to be a size from 1 to 2048 in MiB, got {text}"),
    };

    public static Settings Read(string[] arguments)
    {
        var (quick, list, pattern, except, samples) = (false, false, "", new List<string>(), (string?)null);
        for (var i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--quick": quick = true; break;
                case "--list": list = true; break;
                case "--rows" when i + 1 < arguments.Length: pattern = arguments[++i]; break;
                case "--except" when i + 1 < arguments.Length: except.Add(arguments[++i]); break;
                case "--samples" when i + 1 < arguments.Length: samples = arguments[++i]; break;
                default: throw new UsageException(
                    $"expected --quick, --list, --rows PATTERN, --except PATTERN or --samples FILE, got {arguments[i]}");
            }
        }
        return new() { IsQuick = quick, OnlyList = list, Pattern = pattern, Except = except, Samples = samples };
    }
}

/// <summary>A run that cannot begin; its message says why and what to do.</summary>
internal sealed class UsageException(string message) : Exception(message);
