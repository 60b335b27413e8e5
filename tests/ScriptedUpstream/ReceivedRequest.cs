using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>One request as it arrived, and what was sent for it. Stored for the whole test.</summary>
public sealed class ReceivedRequest
{
    private readonly string _noun;
    private long _bytesSent;
    private long _bytesTaken;

    internal ReceivedRequest(HttpRequest request)
    {
        Method = request.Method;
        Path = request.Path.Value ?? "";
        Query = request.QueryString.Value ?? "";
        Host = request.Host.Value ?? "";
        Headers = request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        (Name, _noun, Reference) = Split(Path);
    }

    public string Method { get; }

    public string Path { get; }

    /// <summary>The query with the question mark; empty for none.</summary>
    public string Query { get; }

    /// <summary>The Host header.</summary>
    public string Host { get; }

    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary>Repository; empty when the path names none.</summary>
    public string Name { get; }

    /// <summary>Tag or digest; empty for none.</summary>
    public string Reference { get; }

    /// <summary>Body of a POST to the token server.</summary>
    public string Form { get; internal set; } = "";

    /// <summary>The status that was sent; 0 before that, and for a connection that was cut before the status.</summary>
    public int Status { get; internal set; }

    /// <summary>When it arrived.</summary>
    public long ArrivedAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>
    /// When the last byte of an unchanged, complete body (or of the part that a rule allows) was handed to the connection; null for any
    /// other answer, and when the client closed the connection first.
    /// </summary>
    public long? WholeAt { get; internal set; }

    /// <summary>Bytes of the body that were handed to the connection so far.</summary>
    public long BytesSent => Volatile.Read(ref _bytesSent);

    /// <summary>Bytes of the request's own body that were read so far.</summary>
    public long BytesTaken => Volatile.Read(ref _bytesTaken);

    public string? Authorization => Headers.GetValueOrDefault("Authorization");

    public string? Range => Headers.GetValueOrDefault("Range");

    public bool IsGet => Method == "GET";

    public bool IsHead => Method == "HEAD";

    /// <summary>Whether it requires the right to push.</summary>
    public bool IsWrite => IsUpload || Method is "POST" or "PUT" or "PATCH" or "DELETE";

    /// <summary>The scope of a token that distribution requires for it.</summary>
    internal string Actions => Method == "DELETE" ? "delete" : IsWrite ? "pull,push" : "pull";

    public bool IsToken => Path == "/token";

    public bool IsAnyBlob => _noun == "blobs";

    /// <summary>Whether it belongs to an upload session, or opens one.</summary>
    public bool IsUpload => _noun == "blobs/uploads";

    public bool IsAnyManifest => _noun == "manifests";

    public bool IsReferrers => _noun == "referrers";

    public bool IsTags => _noun == "tags";

    public bool IsCatalog => Path == "/v2/_catalog";

    public bool IsBlob(string digest) => IsAnyBlob && Reference == digest;

    /// <summary>Whether it asks for a manifest, by tag or digest.</summary>
    public bool IsManifest(string reference) => IsAnyManifest && Reference == reference;

    public override string ToString() => $"{Method} {Path}{Query} {Range} → {Status}, {BytesSent} bytes";

    internal void Took(int count) => Interlocked.Add(ref _bytesTaken, count);

    internal void Sent(int count) => Interlocked.Add(ref _bytesSent, count);

    private static (string Name, string Noun, string Reference) Split(string path)
    {
        if (!path.StartsWith("/v2/", StringComparison.Ordinal)) return ("", "", "");
        foreach (var noun in (string[])["manifests", "blobs/uploads", "blobs", "referrers", "tags"])
        {
            var at = path.LastIndexOf($"/{noun}/", StringComparison.Ordinal);
            if (at >= 4) return (path[4..at], noun, path[(at + noun.Length + 2)..]);
        }
        return ("", "", "");
    }
}
