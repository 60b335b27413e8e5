using System.Reflection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>An event id means one message of the whole program, so that operators can filter by it (CONTRIBUTING.md).</summary>
public sealed class LogEventTests
{
    /// <summary>The first and last id of each room, by namespace; the table of CONTRIBUTING.md.</summary>
    private static readonly Dictionary<string, (int First, int Last)> Ranges = new()
    {
        ["Gateway.Registry"] = (1000, 1999),
        ["Gateway.Storage"] = (2000, 2999),
        ["Gateway.Operations"] = (3000, 3199),
        ["Gateway.Web"] = (3200, 3299),
        ["Gateway.Upstream"] = (4000, 4999),
        ["Gateway.Access"] = (5000, 5999),
        ["Gateway.Configuration"] = (6000, 6999),
        ["Gateway.PullThrough"] = (7000, 7999),
        ["Gateway.Repositories"] = (8000, 8999),
        ["Gateway.Fronting"] = (9000, 9999),
        ["Gateway.Replicas"] = (10000, 10999),
    };

    private static readonly (MethodInfo Method, int Id)[] Messages =
    [
        .. from assembly in (Assembly[])[typeof(Program).Assembly, .. References(typeof(Program).Assembly)]
           from type in assembly.GetTypes()
           from method in type.GetMethods(
               BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly)
           let message = method.GetCustomAttribute<LoggerMessageAttribute>()
           where message is not null
           select (method, message.EventId),
    ];

    [Fact]
    public void Messages_of_every_room_with_a_range_are_found() =>
        Assert.Equal(Ranges.Keys.Order(), Messages.Select(static one => one.Method.DeclaringType!.Namespace).Distinct().Order());

    [Fact]
    public void Every_event_id_is_explicit_and_in_the_range_of_its_room() =>
        Assert.Empty(Messages.Where(static one => !IsInRange(one.Method, one.Id)).Select(Text));

    [Fact]
    public void Every_event_id_is_unique_in_the_program() => Assert.Empty(
        Messages.GroupBy(static one => one.Id).Where(static same => same.Count() > 1).Select(same => string.Join(", ", same.Select(Text))));

    [Fact]
    public void Every_range_is_listed_in_CONTRIBUTING()
    {
        var page = File.ReadAllText(Path.Combine(DependencyTests.Root, "CONTRIBUTING.md"));
        Assert.All(Ranges.Values, range => Assert.Contains($"| {range.First}–{range.Last} |", page, StringComparison.Ordinal));
    }

    // The generator derives an id from the name of a method without an explicit one; the attribute then has -1.
    private static bool IsInRange(MethodInfo method, int id) =>
        Ranges.TryGetValue(method.DeclaringType!.Namespace!, out var range) && id >= range.First && id <= range.Last;

    private static IEnumerable<Assembly> References(Assembly assembly) => assembly.GetReferencedAssemblies()
        .Where(static name => name.Name!.StartsWith("Gateway.", StringComparison.Ordinal)).Select(Assembly.Load);

    private static string Text((MethodInfo Method, int Id) one) => $"{one.Id} {one.Method.DeclaringType}.{one.Method.Name}";
}
