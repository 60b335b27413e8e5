namespace Gateway.Operations;

/// <summary>What became of the configuration that was read last.</summary>
internal sealed class Reloads(AuditLog audit, TimeProvider clock)
{
    private volatile string? _problem;

    /// <summary>Why the configuration that was read last is not in force; null when it is.</summary>
    public string? Problem => _problem;

    /// <summary>Notes a reload, and writes it to the audit log.</summary>
    /// <param name="problem">Why the configuration that was read is not in force; null when it is.</param>
    public void Tell(string? problem)
    {
        _problem = problem;
        audit.Tell(new(clock.GetUtcNow(), "reload", problem is null ? "done" : "refused") { Actor = "operator", Detail = problem });
    }
}
