using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>
/// The base of tests of writes to an upstream: a blob, a source that records the offsets at which it was opened, a manifest.
/// </summary>
public abstract class WriterTest : UpstreamTest
{
    private protected const string App = "team/app";
    private protected static readonly byte[] Bytes = ScriptedUpstream.Bytes(300_000, seed: 11);
    private protected static readonly Digest Digest = Digest.Of(Bytes);

    /// <summary>The offsets at which the blob was opened.</summary>
    private protected ConcurrentQueue<long> Opened { get; } = new();

    private protected UpstreamWriter WriterFor(IUpstreamRegistry upstream) => new(upstream, RepositoryName.Parse(App), Clock);

    private protected async Task<UpstreamWriter> WriterAsync(RegistryOptions? options = null) =>
        WriterFor(await BuildAsync(options ?? OptionsFor(Hub)));

    private protected Task PutAsync(UpstreamWriter writer, byte[]? bytes = null, CancellationToken cancellationToken = default)
    {
        bytes ??= Bytes;
        return writer.PutBlobAsync(
            Digest.Of(bytes),
            bytes.Length,
            (at, _) =>
            {
                Opened.Enqueue(at);
                return ValueTask.FromResult<Stream>(new MemoryStream(bytes, (int)at, bytes.Length - (int)at));
            },
            cancellationToken);
    }

    private protected Task<UpstreamException> PutFailsAsync(UpstreamWriter writer, byte[]? bytes = null) =>
        Assert.ThrowsAsync<UpstreamException>(() => PutAsync(writer, bytes));

    private protected void AssertArrived(ScriptedUpstream? at = null)
    {
        Assert.Equal(Bytes, (at ?? Hub).FindBlob(App, Digest.ToString()));
        Assert.Equal(0, (at ?? Hub).OpenSessions);
    }

    /// <summary>The methods that the upstream received, without tokens and probes: <c>HEAD POST PATCH PUT</c>.</summary>
    private protected string Asked(ScriptedUpstream? upstream = null) =>
        string.Join(' ', (upstream ?? Hub).Requests.Where(r => r.Name != "").Select(r => r.Method));

    /// <summary>An artifact without blobs, with the subject if one is given.</summary>
    private protected static (Digest Digest, byte[] Bytes, Manifest Manifest) Artifact(Digest? subject = null, string note = "")
    {
        var document = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["artifactType"] = "application/vnd.example.note",
            ["config"] = Blob("{}"u8, MediaTypes.OciEmpty),
            ["layers"] = new JsonArray(),
            ["annotations"] = new JsonObject { ["note"] = note },
        };
        if (subject is { } about) document["subject"] = Entry(MediaTypes.OciManifest, about.ToString(), 7);
        var bytes = JsonSerializer.SerializeToUtf8Bytes(document);
        var (manifest, problem) = ManifestReader.Read(bytes, MediaTypes.OciManifest, ManifestLimits.Plain);
        Assert.Null(problem);
        return (Digest.Of(bytes), bytes, manifest!);
    }

    private static JsonObject Blob(ReadOnlySpan<byte> bytes, string mediaType) =>
        Entry(mediaType, Digest.Of(bytes).ToString(), bytes.Length);

    private static JsonObject Entry(string mediaType, string digest, long size) =>
        new() { ["mediaType"] = mediaType, ["digest"] = digest, ["size"] = size };
}
