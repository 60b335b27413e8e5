using System.Diagnostics;

namespace Gateway.Tests.PullThrough;

/// <summary>A tmpfs of its own that a test can fill. Only root can mount one.</summary>
internal sealed class SmallVolume : IAsyncDisposable
{
    private SmallVolume(string path) => Path = path;

    public string Path { get; }

    public static SmallVolume? TryMount(int mebibytes)
    {
        var path = Directory.CreateTempSubdirectory("gateway-small-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={mebibytes}m", "tmpfs", path)) return new(path);
        Directory.Delete(path);
        return null;
    }

    /// <summary>Fills the volume except for this number of bytes.</summary>
    public void FillUpTo(long free)
    {
        using var filler = File.Create($"{Path}/filler");
        var block = new byte[64 * 1024];
        for (var budget = new DriveInfo(Path).AvailableFreeSpace - free; budget > 0; budget -= block.Length) filler.Write(block);
    }

    public ValueTask DisposeAsync()
    {
        Run("umount", "-l", Path);
        Directory.Delete(Path);
        return ValueTask.CompletedTask;
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
