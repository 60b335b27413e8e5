namespace Gateway.BlackBox.Rig;

/// <summary>A running registry that clients can use.</summary>
internal interface IRegistry : IAsyncDisposable
{
    /// <summary><c>127.0.0.1:port</c>, the start of image references.</summary>
    string Host { get; }

    Uri Url => new($"http://{Host}");

    /// <summary>The output of the process, for the message of a failure.</summary>
    string Log { get; }
}
