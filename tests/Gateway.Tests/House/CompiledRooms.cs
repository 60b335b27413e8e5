using ArchUnitNET.Domain;
using ArchUnitNET.Loader;
using Assembly = System.Reflection.Assembly;

namespace Gateway.Tests.House;

/// <summary>
/// Which room uses which, as the compiler resolved it: neither a qualified name, nor an inferred type, nor an alias hides a use. Constants
/// are not seen here, because the compiler copies their values; <see cref="DependencyTests"/> finds their names in the sources.
/// </summary>
/// <param name="assembly">Only its types are asked; what they use may be in any assembly.</param>
/// <param name="root">The namespace whose direct parts are the rooms.</param>
internal sealed class CompiledRooms(Assembly assembly, string root)
{
    private readonly Architecture _architecture = new ArchLoader().LoadNamespacesWithinAssembly(assembly, root).Build();

    /// <summary>Every use of a room by another that the table does not allow, as <c>Room.Type uses Other.Type</c>.</summary>
    /// <param name="below">For each room the rooms that it may use. A room that is not a key may use all.</param>
    public IReadOnlyList<string> Violations(IReadOnlyDictionary<string, string[]> below) =>
        [.. from type in _architecture.Types
            let room = RoomOf(type)
            where room is not null && below.ContainsKey(room)
            from target in type.Dependencies.Select(dependency => dependency.Target).Distinct()
            // The library takes equally named type parameters of two methods for one type.
            where target is not GenericParameter
            let other = RoomOf(target)
            where other is not null && other != room && !below[room].Contains(other)
            select $"{type.FullName[(root.Length + 1)..]} uses {target.FullName[(root.Length + 1)..]}"];

    private string? RoomOf(IType type)
    {
        var name = type.Namespace?.FullName ?? "";
        return name.StartsWith(root + ".", StringComparison.Ordinal) ? name[(root.Length + 1)..].Split('.')[0] : null;
    }
}
