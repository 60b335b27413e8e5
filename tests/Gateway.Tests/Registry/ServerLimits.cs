using System.Diagnostics;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Gateway.Tests.Registry;

/// <summary>
/// Other limits of the server than the gateway's own, for one gateway of this process: what takes minutes by those is seen in seconds.
/// </summary>
/// <param name="change">Is given what the gateway has set.</param>
internal sealed class ServerLimits(Action<KestrelServerLimits> change)
    : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>
{
    private readonly AsyncLocal<bool> _starts = new();

    /// <summary>Starts the gateway. A host tells whoever listens that it is being built, which is how tests reach it.</summary>
    public async Task<GatewayRig> StartAsync()
    {
        _starts.Value = true;
        using var hosts = DiagnosticListener.AllListeners.Subscribe(this);
        return await GatewayRig.StartAsync();
    }

    void IObserver<DiagnosticListener>.OnNext(DiagnosticListener value)
    {
        if (_starts.Value && value.Name == "Microsoft.Extensions.Hosting") value.Subscribe(this);
    }

    void IObserver<KeyValuePair<string, object?>>.OnNext(KeyValuePair<string, object?> value)
    {
        if (_starts.Value && value is { Key: "HostBuilding", Value: IHostBuilder host })
            host.ConfigureServices(services => services.PostConfigure<KestrelServerOptions>(Change));

        // What asks upstreams is a host too, which serves nobody and keeps the server's own options.
        void Change(KestrelServerOptions options)
        {
            if (!options.AddServerHeader) change(options.Limits);
        }
    }

    void IObserver<DiagnosticListener>.OnCompleted()
    {
    }

    void IObserver<DiagnosticListener>.OnError(Exception error)
    {
    }

    void IObserver<KeyValuePair<string, object?>>.OnCompleted()
    {
    }

    void IObserver<KeyValuePair<string, object?>>.OnError(Exception error)
    {
    }
}
