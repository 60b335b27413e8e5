namespace Gateway.Operations;

/// <summary>Version of this program.</summary>
internal static class BuildInfo
{
    /// <summary>The version in three parts, such as <c>1.2.0</c>; from the assembly.</summary>
    public static readonly string Version = typeof(BuildInfo).Assembly.GetName().Version?.ToString(3) ?? "";
}
