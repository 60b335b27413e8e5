using System.Diagnostics.Metrics;
using System.Net;
using Gateway.Access;

namespace Gateway.Web;

/// <summary>Counts the requests that are being forwarded to web applications, together and for each address.</summary>
internal sealed class WebTurns : IDisposable
{
    // Chosen: one address, which has a hundred requests per HTTP/2 connection, cannot use all turns.
    private const int Share = 4;

    private readonly Meter _meter = new("Gateway.Web");
    private readonly Counter<long> _refused;
    private readonly Lock _counting = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private int _open;

    public WebTurns()
    {
        _refused = _meter.CreateCounter<long>("gateway.web.refused", description: "Requests to web applications refused as too many.");
        _meter.CreateObservableGauge("gateway.web.open", () => _open, description: "Requests and WebSockets that are being forwarded.");
    }

    /// <summary>Takes a turn for a client; null when there is none. Disposing gives it back.</summary>
    /// <param name="most"><c>limits.webRequests</c>.</param>
    public IDisposable? Enter(IPAddress? remote, int most)
    {
        var address = ClientAddress.GroupOf(remote);
        lock (_counting)
        {
            var held = _byAddress.GetValueOrDefault(address);
            if (_open < most && held < Math.Max(1, most / Share))
            {
                (_open, _byAddress[address]) = (_open + 1, held + 1);
                return new Turn(this, address);
            }
        }
        _refused.Add(1);
        return null;
    }

    public void Dispose() => _meter.Dispose();

    private void Leave(IPAddress address)
    {
        lock (_counting)
        {
            _open--;
            if (--_byAddress[address] == 0) _byAddress.Remove(address);
        }
    }

    private sealed class Turn(WebTurns turns, IPAddress address) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0) turns.Leave(address);
        }
    }
}
