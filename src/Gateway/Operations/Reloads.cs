namespace Gateway.Operations;

/// <summary>The result of the last reload.</summary>
internal sealed class Reloads(AuditLog audit, TimeProvider clock)
{
    private volatile string? _problem;

    /// <summary>Why the last configuration read is not in force; null if it is.</summary>
    public string? Problem => _problem;

    /// <summary>Records a reload, and writes it to the audit log.</summary>
    /// <param name="problem">Why the configuration is not in force; null if it is.</param>
    public void Tell(string? problem)
    {
        _problem = problem;
        audit.Tell(new(clock.GetUtcNow(), "reload", problem is null ? "done" : "refused") { Actor = "operator", Detail = problem });
    }
}
