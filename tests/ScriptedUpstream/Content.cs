using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Scripted;

/// <summary>An image that a test added to an upstream: its bytes and their digests.</summary>
public sealed record ScriptedImage(string Name, string Digest, byte[] Manifest, string Config, IReadOnlyList<string> Layers);

/// <summary>Bytes with the media type under which they are served.</summary>
internal sealed record Document(byte[] Bytes, string MediaType);

/// <summary>The content of an upstream, in memory.</summary>
internal sealed class Content
{
    public const string ManifestType = "application/vnd.oci.image.manifest.v1+json";
    public const string IndexType = "application/vnd.oci.image.index.v1+json";
    public const string ConfigType = "application/vnd.oci.image.config.v1+json";
    public const string LayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

    public ConcurrentDictionary<(string Name, string Digest), byte[]> Blobs { get; } = new();

    public ConcurrentDictionary<(string Name, string Digest), Document> Manifests { get; } = new();

    public ConcurrentDictionary<(string Name, string Tag), string> Tags { get; } = new();

    public ConcurrentDictionary<(string Name, string Subject), List<JsonObject>> Referrers { get; } = new();

    public static string DigestOf(ReadOnlySpan<byte> bytes) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";

    public string AddBlob(string name, byte[] bytes)
    {
        var digest = DigestOf(bytes);
        Blobs[(name, digest)] = bytes;
        return digest;
    }

    public string AddManifest(string name, byte[] bytes, string mediaType, string? tag)
    {
        var digest = DigestOf(bytes);
        Manifests[(name, digest)] = new Document(bytes, mediaType);
        if (tag is not null) Tags[(name, tag)] = digest;
        return digest;
    }

    public ScriptedImage AddImage(string name, string? tag, byte[][] layers)
    {
        var config = JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["architecture"] = "amd64",
            ["os"] = "linux",
            // Makes the bytes of each image unique.
            ["author"] = Guid.NewGuid().ToString(),
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray() },
        });
        var configDigest = AddBlob(name, config);
        var layerDigests = layers.Select(layer => AddBlob(name, layer)).ToArray();
        var manifest = JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ManifestType,
            ["config"] = Descriptor(ConfigType, configDigest, config.Length),
            ["layers"] = new JsonArray([.. layers.Zip(layerDigests, (bytes, digest) => Descriptor(LayerType, digest, bytes.Length))]),
        });
        return new ScriptedImage(name, AddManifest(name, manifest, ManifestType, tag), manifest, configDigest, layerDigests);
    }

    public string AddIndex(string name, string? tag, IEnumerable<ScriptedImage> images)
    {
        var children = images.Select((image, i) =>
        {
            var child = Descriptor(ManifestType, image.Digest, image.Manifest.Length);
            child["platform"] = new JsonObject { ["os"] = "linux", ["architecture"] = i == 0 ? "amd64" : "arm64" };
            return child;
        });
        return AddManifest(name, JsonSerializer.SerializeToUtf8Bytes(Index(children)), IndexType, tag);
    }

    /// <summary>A small artifact about a subject; listed by the referrers API, or under the fallback tag.</summary>
    public string AddReferrer(string name, string subject, string artifactType, string? tag)
    {
        var empty = "{}"u8.ToArray();
        var config = AddBlob(name, empty);
        var layer = Encoding.UTF8.GetBytes(Guid.NewGuid().ToString());
        var manifest = JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ManifestType,
            ["artifactType"] = artifactType,
            ["config"] = Descriptor("application/vnd.oci.empty.v1+json", config, empty.Length),
            ["layers"] = new JsonArray(Descriptor("text/plain", AddBlob(name, layer), layer.Length)),
            ["subject"] = Descriptor(ManifestType, subject, Manifests.TryGetValue((name, subject), out var found) ? found.Bytes.Length : 0),
        });
        var digest = AddManifest(name, manifest, ManifestType, tag);
        Refer(name, subject, digest, manifest.Length, artifactType);
        return digest;
    }

    /// <summary>Lists a manifest among the referrers of another.</summary>
    public void Refer(string name, string subject, string digest, long size, string? artifactType)
    {
        var descriptor = Descriptor(ManifestType, digest, size);
        descriptor["artifactType"] = artifactType;
        var list = Referrers.GetOrAdd((name, subject), _ => []);
        lock (list)
        {
            if (list.All(known => (string?)known["digest"] != digest)) list.Add(descriptor);
        }
    }

    /// <summary>Removes a manifest with every tag that is bound to it.</summary>
    public bool RemoveManifest(string name, string digest)
    {
        foreach (var tag in Tags.Where(t => t.Key.Name == name && t.Value == digest)) Tags.TryRemove(tag);
        return Manifests.TryRemove((name, digest), out _);
    }

    public JsonObject[] ReferrersOf(string name, string subject)
    {
        if (!Referrers.TryGetValue((name, subject), out var list)) return [];
        lock (list) return [.. list.Select(d => (JsonObject)d.DeepClone())];
    }

    public static JsonObject Index(IEnumerable<JsonObject> descriptors) => new()
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = IndexType,
        ["manifests"] = new JsonArray([.. descriptors]),
    };

    private static JsonObject Descriptor(string mediaType, string digest, long size) =>
        new() { ["mediaType"] = mediaType, ["digest"] = digest, ["size"] = size };
}
