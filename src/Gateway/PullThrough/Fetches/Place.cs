namespace Gateway.PullThrough;

/// <summary>One of a limited number of places. Disposing it frees the place; disposing it again does nothing.</summary>
internal sealed class Place : IDisposable
{
    private SemaphoreSlim? _places;

    private Place(SemaphoreSlim places) => _places = places;

    /// <summary>Waits for a place; null if none becomes free in time.</summary>
    public static async Task<Place?> TakeAsync(SemaphoreSlim places, TimeSpan patience, CancellationToken cancellationToken) =>
        await places.WaitAsync(patience, cancellationToken) ? new(places) : null;

    /// <summary>Takes a free place; null if there is none now.</summary>
    public static Place? TryTake(SemaphoreSlim places) => places.Wait(0) ? new(places) : null;

    public void Dispose() => Interlocked.Exchange(ref _places, null)?.Release();
}
