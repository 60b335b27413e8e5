using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Bench;

/// <summary>What clients do at a registry.</summary>
internal static class Requests
{
    /// <summary>Bytes of a chunk of an upload: what docker and buildkit send at most.</summary>
    private const int Chunk = 16 << 20;

    public static void Purge(int operatorPort, string digest)
    {
        using var connection = Connection.Open(operatorPort);
        var body = Encoding.ASCII.GetBytes($$"""{"what":"{{digest}}"}""");
        connection.Send("POST", "/api/v1/purge", $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n", body);
        Expect(connection, "purge", 200, 404);
    }

    /// <summary>Pushes a blob: POST, then one PUT, or a PATCH for each chunk before it.</summary>
    public static void PushBlob(int port, string repository, BlobFile blob, bool chunked = false)
    {
        if (!chunked)
        {
            PushFile(port, repository, blob.Path, blob.Digest);
            return;
        }
        using var connection = Connection.Open(port);
        var location = Upload(connection, repository);
        for (long at = 0; at < blob.Length; at += Chunk)
        {
            var length = Math.Min(Chunk, blob.Length - at);
            connection.Send("PATCH", location, $"{Body(length)}Content-Range: {at}-{at + length - 1}\r\n");
            connection.SendFile(blob.Handle, at, length);
            Expect(connection, "PATCH of a blob", 202);
            location = connection.Location;
        }
        connection.Send("PUT", With(location, blob.Digest), Body(0));
        Expect(connection, "PUT of a chunked blob", 201);
    }

    public static void PushFile(int port, string repository, string path, string digest)
    {
        using var connection = Connection.Open(port);
        using var file = File.OpenHandle(path);
        connection.Send("PUT", With(Upload(connection, repository), digest), Body(RandomAccess.GetLength(file)));
        connection.SendFile(file, 0, RandomAccess.GetLength(file));
        Expect(connection, "PUT of a blob", 201);
    }

    public static string PushBytes(int port, string repository, byte[] bytes)
    {
        using var connection = Connection.Open(port);
        var digest = DigestOf(bytes);
        connection.Send("PUT", With(Upload(connection, repository), digest), Body(bytes.Length), bytes);
        Expect(connection, "PUT of a small blob", 201);
        return digest;
    }

    public static void PushManifest(int port, string repository, string reference, byte[] bytes)
    {
        using var connection = Connection.Open(port);
        connection.Send(
            "PUT", $"/v2/{repository}/manifests/{reference}",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Configurations.Credentials}Content-Type: {Configurations.ManifestType}\r\nContent-Length: {bytes.Length}\r\n"),
            bytes);
        Expect(connection, "PUT of a manifest", 201);
    }

    public static void DeleteBlob(int port, string repository, string digest)
    {
        using var connection = Connection.Open(port);
        connection.Send("DELETE", $"/v2/{repository}/blobs/{digest}", Configurations.Credentials);
        Expect(connection, "DELETE of a blob", 202, 404);
    }

    /// <summary>Fails unless the server has exactly these bytes.</summary>
    public static void Check(string server, int port, string path, string digest, bool tls = false)
    {
        using var connection = Connection.Open(port, tls);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        connection.Send("GET", path, Configurations.Accept);
        var status = connection.ReadHead();
        connection.ReadBody(connection.Length, hash.AppendData);
        var got = $"sha256:{Convert.ToHexStringLower(hash.GetHashAndReset())}";
        if (status != 200 || got != digest)
            throw new InvalidOperationException($"expected 200 and {digest} of {server} for {path}, got {status} and {got}");
    }

    public static string DigestOf(ReadOnlySpan<byte> bytes) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";

    /// <summary>A manifest of these layers, with the config <c>{}</c>.</summary>
    public static byte[] Manifest(params (string Digest, long Size)[] layers)
    {
        const string Layer = "application/vnd.oci.image.layer.v1.tar+gzip", Config = "application/vnd.oci.image.config.v1+json";
        var all = string.Join(',', layers.Select(l => $$"""{"mediaType":"{{Layer}}","digest":"{{l.Digest}}","size":{{l.Size}}}"""));
        var config = $$"""{"mediaType":"{{Config}}","digest":"{{DigestOf("{}"u8)}}","size":2}""";
        return Encoding.ASCII.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"{{Configurations.ManifestType}}","config":{{config}},"layers":[{{all}}]}""");
    }

    private static string Upload(Connection connection, string repository)
    {
        connection.Send("POST", $"/v2/{repository}/blobs/uploads/", $"{Configurations.Credentials}Content-Length: 0\r\n");
        Expect(connection, "POST of an upload", 202);
        return connection.Location;
    }

    private static string With(string location, string digest) => $"{location}{(location.Contains('?') ? '&' : '?')}digest={digest}";

    private static string Body(long length) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Configurations.Credentials}Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n");

    private static void Expect(Connection connection, string what, params int[] statuses)
    {
        var status = connection.ReadHead();
        var text = "";
        connection.ReadBody(connection.Length, piece => text += Encoding.UTF8.GetString(piece));
        if (!statuses.Contains(status))
            throw new InvalidOperationException($"expected {string.Join(" or ", statuses)} for a {what}, got {status}: {text}");
    }
}
