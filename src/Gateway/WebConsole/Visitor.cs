using Gateway.Operations.ReadModels;

namespace Gateway.WebConsole;

/// <summary>The person of one request, with what the pages need of the request.</summary>
/// <param name="Visit">What the pages get.</param>
/// <param name="Viewer">What the person may see.</param>
internal sealed record Visitor(Visit Visit, Viewer Viewer)
{
    /// <summary>What the streams of one person are counted by: the session, or the address where there is none.</summary>
    public required string Source { get; init; }

    /// <summary>The account, whose streams are counted together however many sessions it has; null where there is no login.</summary>
    public string? Account { get; init; }

    public bool IsAtOperatorPort { get; init; }

    /// <summary>Whether the person may still see the pages; asked again while a page follows the gateway.</summary>
    public Func<bool> IsStillIn { get; init; } = static () => true;
}
