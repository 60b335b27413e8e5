namespace Gateway.Tests.Replicas;

/// <summary>Faults that are built into the model, to show that it finds them.</summary>
[Flags]
internal enum LeaseBug
{
    None = 0,

    /// <summary>The leader deletes the lease at the end instead of turning it into the note.</summary>
    DeletesAtTheEnd = 1,

    /// <summary>A renewal sets the lease without comparing.</summary>
    RenewsBlindly = 2,

    /// <summary>A leader that lost the lease goes on as leader.</summary>
    IgnoresLostLease = 4,

    /// <summary>Followers serve other replicas.</summary>
    FollowersServe = 8,

    /// <summary>A follower never gives up a silent leader.</summary>
    WaitsForever = 16,

    /// <summary>Peers may fail any number of times.</summary>
    NeverAlone = 32,

    /// <summary>A replica starts at byte 0 when its source changes.</summary>
    ForgetsWatermark = 64,

    /// <summary>The leader asks the upstream without asking the other replicas first.</summary>
    DoesNotProbe = 128,
}
