using Gateway.Configuration;

namespace Gateway.Operations.ReadModels;

/// <summary>What an edited policy would change.</summary>
/// <param name="Text">The edited policy, as it was sent.</param>
/// <param name="Changes">Stored tags that it evaluates differently at a pull.</param>
/// <param name="HasMore">Whether not all of them were looked for: there are more, or it took too long.</param>
/// <param name="Problem">Why it cannot be compared; null when it can.</param>
public sealed record PolicyCompared(string Text, IReadOnlyList<PolicyChange> Changes, bool HasMore, string? Problem);

/// <summary>Compares the policy in force with an edited one, as <c>gateway policy diff</c> does.</summary>
internal sealed class PolicyCompare(ConfigurationInForce inForce, PolicyTrial trial, TimeProvider clock)
{
    // The command shows all of them.
    private const int Most = 200;

    // Chosen: a person waits for it, and half a second suffices for a thousand tags.
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(10);

    /// <summary>The policy in force as its file has it; empty when no file has it.</summary>
    public string Current => inForce.Current.Origin?.SectionText("policy") ?? "";

    /// <summary>What an edited policy would change.</summary>
    /// <param name="text">A configuration with a section <c>policy</c>; other sections are read and ignored.</param>
    public async Task<PolicyCompared> RunAsync(string text, CancellationToken cancellationToken)
    {
        var options = inForce.Current;
        var origin = options.Origin;
        // Files that the configuration in force does not name are not opened: its author may have no right to read them.
        var loaded = ConfigurationLoader.Load(
            text, "the edited policy", origin?.Folder ?? Directory.GetCurrentDirectory(), [], path => origin?.Files.Contains(path) == true
                ? new(BoundedFile.ReadText(path), File.GetLastWriteTimeUtc(path))
                : throw new IOException($"expected a file that the policy in force names, got '{path}'; compare with gateway policy diff"));
        if (loaded.Options is not { } edited) return new(text, [], false, loaded.Mistakes[0].ToString());
        var changes = new List<PolicyChange>();
        using var late = new CancellationTokenSource(Time, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            await foreach (var change in trial.DiffAsync(options, options.Policy, edited.Policy, stop.Token).WithCancellation(stop.Token))
            {
                if (changes.Count == Most) return new(text, changes, true, null);
                changes.Add(change);
            }
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new(text, changes, true, null);
        }
        return new(text, changes, false, null);
    }
}
