using System.Diagnostics.Metrics;

namespace Gateway.Tests.Operations;

/// <summary>Holds whoever writes a line of the audit log of one gateway, from the moment it is counted, until it is released.</summary>
internal sealed class HeldLine : IDisposable
{
    private readonly string _event;
    private readonly MeterListener _listener = new();
    private readonly AsyncLocal<bool> _watches = new();
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _released = new();

    /// <param name="name">Of the event that is held.</param>
    public HeldLine(string name)
    {
        _event = name;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (_watches.Value && instrument.Name == "gateway.audit.lines") listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, _, tags, _) => Hold(tags));
        _listener.Start();
    }

    /// <summary>Done when somebody is held.</summary>
    public Task Reached => _reached.Task;

    /// <summary>Watches the gateway that is started here, and no other of this process.</summary>
    public async Task<GatewayRig> WatchAsync(Func<Task<GatewayRig>> start)
    {
        _watches.Value = true;
        return await start();
    }

    public void Release() => _released.Set();

    public void Dispose()
    {
        Release();
        _listener.Dispose();
        _released.Dispose();
    }

    private void Hold(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!Equals(tags[0].Value, _event)) return;
        _reached.TrySetResult();
        _released.Wait();
    }
}
