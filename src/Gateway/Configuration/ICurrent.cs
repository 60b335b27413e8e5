namespace Gateway.Configuration;

/// <summary>What the configuration in force made of one thing. A caller that needs the same value twice reads it once.</summary>
internal interface ICurrent<out T>
{
    /// <summary>The value for work that begins now. Throws <see cref="InvalidOperationException"/> before the first one.</summary>
    T Value { get; }
}
