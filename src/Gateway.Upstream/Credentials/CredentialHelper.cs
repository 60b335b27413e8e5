using System.Diagnostics;
using System.Text.Json;

namespace Gateway.Upstream;

/// <summary>
/// Runs a credential helper program by the protocol of docker-credential-helpers: argument <c>get</c>, the server on standard input, JSON
/// with <c>Username</c> and <c>Secret</c> on standard output. Its other output never reaches a message, because it can contain the secret.
/// </summary>
internal static class CredentialHelper
{
    // Chosen: a helper that queries a cloud over the network takes seconds.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    // In bytes. Chosen: ECR's passwords have about 2 KiB.
    private const int LongestAnswer = 64 * 1024;

    /// <summary>The credential that the program returns for a server.</summary>
    /// <exception cref="UpstreamException">The program returned no credential (Unavailable).</exception>
    public static async Task<Credential> GetAsync(string program, string server)
    {
        using var deadline = new CancellationTokenSource(Timeout);
        using var process = Start(program);
        try
        {
            // Standard error is read and discarded, so that the helper does not block on a full pipe.
            var noise = process.StandardError.BaseStream.CopyToAsync(Stream.Null, deadline.Token);
            await process.StandardInput.WriteLineAsync(server.AsMemory(), deadline.Token);
            process.StandardInput.Close();
            var answer = await BoundedBody.ReadAsync(process.StandardOutput.BaseStream, LongestAnswer, deadline.Token);
            await noise;
            await process.WaitForExitAsync(deadline.Token);
            return process.ExitCode == 0 && answer is not null && Parse(answer) is { } credential
                ? credential
                : throw Failed(program, $"returned no credentials for {server} (exit code {process.ExitCode})");
        }
        catch (IOException)
        {
            throw Failed(program, "closed its input before it read the server");
        }
        catch (OperationCanceledException)
        {
            throw Failed(program, $"did not answer within {Timeout.TotalSeconds:0} s");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(string program)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, ["get"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw Failed(program, $"could not be started: {e.Message}");
        }
    }

    internal static Credential? Parse(byte[] answer)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            return document.RootElement.GetProperty("Username").GetString() is { } username
                && document.RootElement.GetProperty("Secret").GetString() is { Length: > 0 } secret
                ? new Credential(username, secret)
                : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static UpstreamException Failed(string program, string what) =>
        new(UpstreamFailure.Unavailable, $"credential helper {Path.GetFileName(program)} {what}");
}
