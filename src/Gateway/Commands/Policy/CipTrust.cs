using System.Security.Cryptography;
using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>The requirement of one ClusterImagePolicy.</summary>
internal abstract record CipChoice
{
    /// <summary>No requirement.</summary>
    public sealed record Pass : CipChoice;

    /// <summary>A requirement that nothing satisfies.</summary>
    public sealed record Fail(string Message) : CipChoice;

    /// <summary>The <c>require</c> of a rule.</summary>
    public sealed record Of(MappingNode Require) : CipChoice;
}

/// <summary>Reads the authorities of ClusterImagePolicies into one <c>policy.trust</c>.</summary>
internal sealed class CipTrust(Import import, string trustedRoot)
{
    private const string RootName = "sigstore";

    private readonly List<MappingEntry> _keys = [];
    private readonly List<MappingEntry> _authorities = [];
    private SourceLocation? _needsRoot;

    /// <summary>
    /// The requirement of a policy. Of several ways to satisfy it, the rule keeps the first, or all that are keys: fewer ways are stricter.
    /// Null if none remains; the reason was then reported.
    /// </summary>
    public CipChoice? Read(string policy, MappingNode spec)
    {
        var ways = new List<CipAuthority>();
        var lost = new List<ConfigurationMistake>();
        string? fails = null;
        foreach (var (i, node) in spec.ItemsOf("authorities").Index())
        {
            if (node is MappingNode { } section && section.Find("static") is MappingNode fixedly)
            {
                if (fixedly.TextOf("action") == "pass") return new CipChoice.Pass();
                fails = fixedly.TextOf("message") ?? "";
            }
            else ways.AddRange(CipAuthority.Read(node, $"{policy}-{(node as MappingNode)?.TextOf("name") ?? $"{i}"}", lost, import));
        }
        if (ways.Count > 0)
        {
            foreach (var one in lost)
                import.Notes.Add(one with { Message = $"{one.Message}; this way to satisfy {policy} is omitted, which is stricter" });
            return new CipChoice.Of(Choose(policy, ways));
        }
        import.Refusals.AddRange(lost);
        if (lost.Count > 0) return null;
        if (fails is not null) return new CipChoice.Fail(fails);
        import.Refuse(spec, "spec.authorities", $"expected authorities in {policy}, got none");
        return null;
    }

    /// <summary>The <c>trust</c> section; null if none is needed.</summary>
    public MappingNode? ToNode(SourceLocation at)
    {
        if (_authorities.Count == 0) return null;
        if (_needsRoot is not null)
            import.Comments.Add($"{trustedRoot} is the pinned trusted root; run cosign trusted-root create to create it.");
        var root = _needsRoot is { } place
            ? Nodes.Map(place, (RootName, Nodes.Map(place, ("trustedRoot", Nodes.Text(trustedRoot, place)))))
            : null;
        return Nodes.Map(
            at, ("keys", _keys.Count == 0 ? null : new MappingNode(at, [.. _keys])), ("keyless", root),
            ("authorities", new MappingNode(at, [.. _authorities])));
    }

    private MappingNode Choose(string policy, List<CipAuthority> ways)
    {
        var first = ways[0];
        var same = first.CanStandWithOthers
            ? ways.Where(way => way.CanStandWithOthers && (way.NeedsLog, way.Format) == (first.NeedsLog, first.Format)).ToArray()
            : [first];
        foreach (var other in ways.Except(same))
            import.Note(
                other.Node, "spec.authorities",
                $"{policy} is satisfied by any of several authorities; the rule requires only {first.Name}, "
                + $"which is stricter, and {other.Name} is omitted");
        if (first.NeedsLog || first.Identity is not null) _needsRoot ??= first.Node.Location;
        Add(first, same);
        return first.Require();
    }

    private void Add(CipAuthority first, CipAuthority[] same)
    {
        var at = first.Node.Location;
        if (first.Identity is { } identity)
        {
            _authorities.Add(new(first.Name, at, Nodes.Map(
                at, ("keyless", Nodes.Text(RootName, at)), ("issuer", identity.Find("issuer")), ("subject", identity.Find("subject")))));
            return;
        }
        var references = new List<ConfigurationNode>();
        foreach (var way in same)
        {
            foreach (var (i, pem) in way.Keys.Index())
            {
                var id = way.Keys.Count == 1 ? way.Name : $"{way.Name}-{i}";
                _keys.Add(new(id, pem.Location, Nodes.Map(pem.Location, ("pem", pem), ("hash", way.Hash))));
                references.Add(Nodes.Map(pem.Location, ("key", Nodes.Text(id, pem.Location))));
            }
        }
        _authorities.Add(new(first.Name, at, Nodes.Map(
            at, ("anyOf", Nodes.List(at, references)), ("tlog", first.NeedsLog ? Nodes.Text("require", at) : null))));
    }

    /// <summary>Each PEM block of a text, at the place of the text; the text itself if it has none.</summary>
    public static List<ScalarNode> Blocks(ScalarNode data)
    {
        var blocks = new List<ScalarNode>();
        for (var rest = data.Value.AsSpan(); PemEncoding.TryFind(rest, out var found); rest = rest[found.Location.End.Value..])
            blocks.Add(Nodes.Text(rest[found.Location].ToString() + "\n", data.Location));
        return blocks.Count > 0 ? blocks : [data];
    }
}
