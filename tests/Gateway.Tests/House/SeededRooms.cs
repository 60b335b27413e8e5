// Two rooms that break the rule, for the test of the test. The lower one must not use the upper one.
using Alias = Gateway.Tests.House.Seeds.Upper.Thing;

namespace Gateway.Tests.House.Seeds.Upper
{
    internal sealed class Thing
    {
        public int Size { get; init; }

        /// <summary>Allowed: the upper room knows the lower one.</summary>
        public Lower.Source? From { get; init; }
    }
}

namespace Gateway.Tests.House.Seeds.Lower
{
    internal sealed class Source;

    internal static class ByQualifiedName
    {
        public static int SizeOf(object thing) => ((Upper.Thing)thing).Size;
    }

    internal static class ByAlias
    {
        public static object Make() => new Alias();
    }

    internal static class ByInference
    {
        public static int Size() => Given.Thing().Size;
    }

    internal static class ByTypeArgument
    {
        public static object Make() => new List<Upper.Thing>();
    }
}

namespace Gateway.Tests.House
{
    /// <summary>Is in no room, so that a room can use it, and gives what that room must not know.</summary>
    internal static class Given
    {
        public static Seeds.Upper.Thing Thing() => new();
    }
}
