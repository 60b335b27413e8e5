using System.Diagnostics;
using Scripted;
using Xunit;

namespace Gateway.Oci.Tests.ClientView;

/// <summary>
/// A real client that copies a repository to another registry. Its requests to the first registry show what it read. Needs
/// <c>GATEWAY_RIG</c>, the folder that <c>tests/rig/install.sh</c> fills; otherwise the test is skipped.
/// </summary>
internal sealed class RealClient(string name) : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("gateway-view-").FullName;

    /// <summary>Whether it copies the subject of a manifest too.</summary>
    public bool FollowsSubjects => name == "oras";

    /// <summary>Whether it accepts only images in an index: no index, no blob.</summary>
    public bool IsFlat => name == "skopeo";

    public void Dispose() => Directory.Delete(_home, recursive: true);

    /// <summary>Copies the manifest of a tag and everything below it.</summary>
    public async Task MustCopyAsync(ScriptedUpstream from, ScriptedUpstream to, string tag)
    {
        var (done, said) = await CopyAsync(from, to, tag);
        Assert.True(done, $"{name} does not take what we take: {said}");
    }

    /// <summary>As <see cref="MustCopyAsync"/>; the client may fail.</summary>
    public async Task<(bool Done, string Said)> CopyAsync(ScriptedUpstream from, ScriptedUpstream to, string tag)
    {
        var (source, target) = ($"{from.Url.Authority}/view:{tag}", $"{to.Url.Authority}/view:{tag}");
        var rig = Environment.GetEnvironmentVariable("GATEWAY_RIG");
        var program = rig is null ? "" : Path.Combine(rig, "bin", name);
        Assert.SkipUnless(File.Exists(program), $"GATEWAY_RIG names no folder with {name}");
        string[] arguments = name switch
        {
            "crane" => ["copy", "--insecure", source, target],
            "oras" => ["copy", "--from-plain-http", "--to-plain-http", source, target],
            _ => [
                "--insecure-policy", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false",
                $"docker://{source}", $"docker://{target}",
            ],
        };
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _home, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["HOME"] = _home;
        start.Environment["TMPDIR"] = _home;
        // skopeo would store its knowledge of blobs here; without such a folder it stores that in memory.
        start.Environment["_CONTAINERS_ROOTLESS_UID"] = "1";
        start.Environment["XDG_DATA_HOME"] = "/dev/null";
        using var process = Process.Start(start)!;
        var (told, wrong) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode == 0, await told + await wrong);
    }
}
