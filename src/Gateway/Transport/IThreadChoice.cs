namespace Gateway.Transport;

/// <summary>Where a connection's work goes on when its socket has bytes or room.</summary>
internal interface IThreadChoice
{
    /// <summary>
    /// Whether it goes on at a thread of the pool. Otherwise it does on the thread that waited for the socket, without a wake-up: right
    /// for requests that are answered at once.
    /// </summary>
    bool UsesPool { get; set; }
}
