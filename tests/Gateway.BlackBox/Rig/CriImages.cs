using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>gRPC's status (0 is success), the error's message, and the image's id.</summary>
internal sealed record CriAnswer(int Status, string Message, string Image);

/// <summary>The call of Kubernetes' Container Runtime Interface by which a kubelet pulls: ImageService/PullImage of runtime.v1.</summary>
internal static class CriImages
{
    /// <summary>Calls over the runtime's socket. A gRPC message over HTTP/2 has a length prefix, and protobuf strings are nested.</summary>
    public static async Task<CriAnswer> PullAsync(string socket, string reference)
    {
        using var http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancelled) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancelled);
                return new NetworkStream(connection, ownsSocket: true);
            },
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://localhost/runtime.v1.ImageService/PullImage")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Framed(Field(Field(Encoding.UTF8.GetBytes(reference))))),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using var answer = await http.SendAsync(request);
        var body = await answer.Content.ReadAsByteArrayAsync();
        return new CriAnswer(
            int.Parse(Trailer(answer, "grpc-status") ?? "-1", System.Globalization.CultureInfo.InvariantCulture),
            Uri.UnescapeDataString(Trailer(answer, "grpc-message") ?? ""),
            body.Length > 7 ? Encoding.UTF8.GetString(body.AsSpan(7)) : "");
    }

    /// <summary>
    /// Field 1, of wire type 2 (length and bytes); values here are always shorter than 128 bytes, so the length is one byte.
    /// </summary>
    private static byte[] Field(byte[] bytes) => [0x0a, checked((byte)(bytes.Length < 128 ? bytes.Length : -1)), .. bytes];

    /// <summary>The prefix of a message: not compressed, and four bytes of length.</summary>
    private static byte[] Framed(byte[] message) => [0, 0, 0, 0, (byte)message.Length, .. message];

    private static string? Trailer(HttpResponseMessage answer, string name) =>
        answer.TrailingHeaders.TryGetValues(name, out var values) || answer.Headers.TryGetValues(name, out values)
            ? values.Single()
            : null;
}
