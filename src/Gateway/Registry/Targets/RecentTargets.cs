namespace Gateway.Registry;

/// <summary>Reads request targets; those of pulls only once, because many clients ask for the same ones.</summary>
internal static class RecentTargets
{
    // Chosen: the manifests and blobs that are pulled within minutes. About 1 KiB each.
    private const int Slots = 2048;

    // Chosen: longer than the target of any image pulled; a flood of longer ones takes no memory.
    private const int MaxLength = 512;

    private static readonly RecentValues<string, Target> Read = new(Slots);

    /// <summary>As <see cref="TargetParser.Parse"/>.</summary>
    public static (Target Target, TargetProblem? Problem) Parse(string rawTarget)
    {
        if (Read.Find(rawTarget) is { } known) return (known, null);
        var (target, problem) = TargetParser.Parse(rawTarget);
        // Other targets may hold what must not stay in memory, such as the id of an upload session.
        if (problem is null && rawTarget.Length <= MaxLength && target.Route is Route.Manifest or Route.Blob) Read.Set(rawTarget, target);
        return (target, problem);
    }
}
