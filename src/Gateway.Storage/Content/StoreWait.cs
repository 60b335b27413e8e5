namespace Gateway.Storage;

/// <summary>
/// Waits for a store on a thread of its own, or in code that reads the local disk: the answer is then there at once. A request that may
/// have to wait for another machine uses <c>await</c>.
/// </summary>
internal static class StoreWait
{
    public static T Wait<T>(this ValueTask<T> task) => task.IsCompletedSuccessfully ? task.Result : task.AsTask().GetAwaiter().GetResult();

    public static void Wait(this ValueTask task)
    {
        if (!task.IsCompletedSuccessfully) task.AsTask().GetAwaiter().GetResult();
    }
}
