using System.Runtime.CompilerServices;

namespace Gateway.BlackBox.Rig;

/// <summary>Where the real parts are: what tests/rig/install.sh left in GATEWAY_RIG, or in .rig at the repository's root.</summary>
internal static class RigFolder
{
    public static string Repository { get; } = FindRepository();

    public static string Path { get; } = Environment.GetEnvironmentVariable("GATEWAY_RIG") is { Length: > 0 } named
        ? named
        : System.IO.Path.Combine(Repository, ".rig");

    /// <summary>Launcher of an installed program. Skips the test when it is missing; in CI that is a failure.</summary>
    public static string Program(string name)
    {
        var path = System.IO.Path.Combine(Path, "bin", name);
        if (!File.Exists(path))
            SkipOrFail($"{name} is not in {Path}: run tests/rig/install.sh");
        return path;
    }

    /// <summary>For what a machine may lack. Where CI=true every test must run.</summary>
    public static void SkipOrFail(string reason)
    {
        if (Environment.GetEnvironmentVariable("CI") == "true")
            Assert.Fail(reason);
        Assert.Skip(reason);
    }

    private static string FindRepository([CallerFilePath] string here = "")
    {
        var folder = new DirectoryInfo(System.IO.Path.GetDirectoryName(here)!);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "Gateway.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException($"No Gateway.sln above {here}.");
    }
}
