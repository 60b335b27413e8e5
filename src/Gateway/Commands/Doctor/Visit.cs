using Gateway.Commands.Clients;
using Gateway.Configuration;

namespace Gateway.Commands.Doctor;

/// <summary>One run of <c>gateway doctor</c>: what is examined.</summary>
/// <param name="View">The gateway as its clients see it.</param>
/// <param name="Caller">Sends requests to the clients' port, as <paramref name="View"/> names it.</param>
/// <param name="Image">An image that exists, to play whole pulls with; null for requests that expect 404.</param>
/// <param name="Files">The folder that holds a client's <c>/etc</c>.</param>
/// <param name="Now">The time by the clock of this machine.</param>
internal sealed record Visit(
    GatewayOptions Options, ClientView View, Caller Caller, ImageName? Image, string Files, DateTimeOffset Now)
{
    /// <summary>A mirror that fails open is a cache; if there is a policy, it is also a way around it.</summary>
    public Level Bypass => Options.Policy is null ? Level.Warning : Level.Error;

    public Uri At(string pathAndQuery) => new(View.Url + pathAndQuery);
}

/// <summary>The image of <c>--image</c>.</summary>
/// <param name="Registry">The registry of the name, such as <c>docker.io</c>.</param>
/// <param name="Path">The repository at the registry.</param>
/// <param name="Reference">Tag or digest.</param>
internal sealed record ImageName(string Registry, string Path, string Reference);
