using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary>Exit codes of <c>gateway policy</c> (docs/cli.md); they never change, because scripts rely on them.</summary>
internal static class PolicyExit
{
    public const int Allow = 0;
    public const int Deny = 1;
    public const int Warn = 2;
    public const int Quarantine = 3;
    public const int Error = 4;

    public static int Of(Outcome outcome) => outcome switch
    {
        Outcome.Allow => Allow,
        Outcome.Warn => Warn,
        Outcome.Quarantine => Quarantine,
        _ => Deny,
    };
}
