namespace Gateway.PullThrough;

/// <summary>One of a limited number of places; disposing it once gives it back.</summary>
internal sealed class Place : IDisposable
{
    private SemaphoreSlim? _places;

    private Place(SemaphoreSlim places) => _places = places;

    /// <summary>Takes a place; null when none came free in time.</summary>
    public static async Task<Place?> TakeAsync(SemaphoreSlim places, TimeSpan patience, CancellationToken cancellationToken) =>
        await places.WaitAsync(patience, cancellationToken) ? new(places) : null;

    /// <summary>Takes a place that is free now; null when none is.</summary>
    public static Place? TryTake(SemaphoreSlim places) => places.Wait(0) ? new(places) : null;

    public void Dispose() => Interlocked.Exchange(ref _places, null)?.Release();
}
