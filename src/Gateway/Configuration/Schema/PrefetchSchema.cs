using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The setting <c>cache.prefetch</c>.</summary>
internal static class PrefetchSchema
{
    /// <summary>A platform in the notation of container tools (containerd's platforms package), with Go's names.</summary>
    public static readonly Scalar<string> Platform = Scalars.Matching(
        "a platform such as linux/amd64 or linux/arm/v7", text => IsPlatform(text));

    public static readonly SettingType<PrefetchOptions> Prefetch = new Either<PrefetchOptions>(
        Scalars.OneOf(("off", PrefetchOptions.Off), ("auto", PrefetchOptions.Auto)),
        new Converted<ImmutableArray<string>, PrefetchOptions>(
            new ListOf<string>(Platform), platforms => new PrefetchOptions(PrefetchMode.Listed, platforms)));

    private static bool IsPlatform(string text) =>
        text.Split('/') is { Length: 2 or 3 } parts
        && parts.All(part => part.Length is > 0 and <= 64 && part.All(IsOfAPlatform));

    private static bool IsOfAPlatform(char c) => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-';
}
