namespace Gateway.WebConsole;

/// <summary>The result of a part of an action.</summary>
/// <param name="Text">One sentence.</param>
public sealed record ResultLine(bool IsGood, string Text);
