using System.Text.Json;
using WireMock;
using WireMock.RequestBuilders;
using WireMock.ResponseBuilders;
using WireMock.Server;
using WireMock.Settings;

namespace Gateway.Tests.Access;

/// <summary>An issuer that publishes its keys over HTTP on loopback, and counts how often its discovery document is read.</summary>
internal sealed class PublishingIssuer : IDisposable
{
    private const string Discovery = "/.well-known/openid-configuration";

    private readonly WireMockServer _server = WireMockServer.Start(new WireMockServerSettings { Urls = ["http://127.0.0.1:0"] });

    public PublishingIssuer()
    {
        _server.Given(Request.Create().WithPath(Discovery).UsingGet()).RespondWith(Response.Create().WithCallback(_ => Document()));
        _server.Given(Request.Create().WithPath("/keys").UsingGet()).RespondWith(Response.Create().WithCallback(_ => Json(Keys)));
    }

    /// <summary>Without a slash at the end.</summary>
    public string Url => _server.Url!.TrimEnd('/');

    /// <summary>The issuer that the discovery document names; null for this one.</summary>
    public string? NamedIssuer { get; set; }

    /// <summary>The whole discovery document; null for a correct one.</summary>
    public string? OtherDocument { get; set; }

    /// <summary>The key set, as JSON.</summary>
    public string Keys { get; set; } = "";

    /// <summary>Whether discovery answers 503.</summary>
    public bool IsDown { get; set; }

    /// <summary>How often the discovery document was asked for.</summary>
    public int DiscoveryReads => _server.LogEntries.Count(entry => entry.RequestMessage?.Path == Discovery);

    public void Dispose() => _server.Dispose();

    private ResponseMessage Document() => IsDown
        ? new ResponseMessage { StatusCode = 503 }
        : Json(OtherDocument ?? JsonSerializer.Serialize(new { issuer = NamedIssuer ?? Url, jwks_uri = $"{Url}/keys" }));

    private static ResponseMessage Json(string text) => new()
    {
        StatusCode = 200,
        Headers = new Dictionary<string, WireMock.Types.WireMockList<string>> { ["Content-Type"] = ["application/json"] },
        BodyData = new WireMock.Util.BodyData { DetectedBodyType = WireMock.Types.BodyType.String, BodyAsString = text },
    };
}
