namespace Gateway.BlackBox.Rig;

/// <summary>A running registry that clients can be pointed at.</summary>
internal interface IRegistry : IAsyncDisposable
{
    /// <summary><c>127.0.0.1:port</c>, as image references begin.</summary>
    string Host { get; }

    Uri Url => new($"http://{Host}");

    /// <summary>What the process wrote, for a failure's message.</summary>
    string Log { get; }
}
