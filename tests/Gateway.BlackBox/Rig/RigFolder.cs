using System.Runtime.CompilerServices;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// The folder of the real clients, which tests/rig/install.sh writes: GATEWAY_RIG, or .rig at the root of the repository.
/// </summary>
internal static class RigFolder
{
    public static string Repository { get; } = FindRepository();

    public static string Root { get; } = Environment.GetEnvironmentVariable("GATEWAY_RIG") is { Length: > 0 } named
        ? named
        : Path.Combine(Repository, ".rig");

    /// <summary>The launcher of an installed program.</summary>
    /// <exception cref="InvalidOperationException">It is not installed.</exception>
    public static string Program(string name)
    {
        var path = Path.Combine(Root, "bin", name);
        return File.Exists(path)
            ? path
            : throw new InvalidOperationException($"{name} is not in {Root}/bin: run tests/rig/install.sh first");
    }

    private static string FindRepository([CallerFilePath] string here = "")
    {
        var folder = new DirectoryInfo(Path.GetDirectoryName(here)!);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Gateway.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException($"No Gateway.sln above {here}.");
    }
}
