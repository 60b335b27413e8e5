using System.Buffers;
using System.Globalization;
using Gateway.Repositories;

namespace Gateway.Registry;

/// <summary>
/// Reads the raw request target. Only the canonical form is taken: what two programs could read in two ways (dot segments, empty segments,
/// <c>\</c>, <c>;</c>, percent-encoding where none is needed, absolute form) is refused, not repaired: where one part reads a path
/// otherwise than the next, requests get past access rules (CVE-2024-4956, CVE-2020-29662).
/// </summary>
internal static class TargetParser
{
    // Longest path: a name, a sha512 digest (135) and the fixed parts (20), percent-encoded colon included.
    private const int MaxPathLength = RepositoryName.MaxLength + 160;

    // 128 random bits in hex (Storage.Upload.Id), and room for what a decision's id adds.
    private const int MaxIdLength = 64;

    private static readonly SearchValues<char> PathCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:%");

    private static readonly SearchValues<char> IdCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    /// <summary>Reads a target. The problem is null exactly when the target was read.</summary>
    public static (Target Target, TargetProblem? Problem) Parse(string rawTarget)
    {
        var question = rawTarget.IndexOf('?', StringComparison.Ordinal);
        var path = question < 0 ? rawTarget.AsSpan() : rawTarget.AsSpan(0, question);
        var problem = CheckPath(path);
        // No request target has one (RFC 9112 §3.2); what stands behind it other programs leave away.
        if (question >= 0 && rawTarget.Contains('#', StringComparison.Ordinal)) problem ??= Bad("the query holds a '#'");
        if (problem is not null) return (Target.Invalid, problem);

        (var target, problem) = ReadPath(path);
        if (problem is not null || question < 0 || target.Route is Route.Token or Route.Unknown) return (target, problem);

        (var query, problem) = QueryParser.Parse(rawTarget.AsSpan(question + 1));
        return (target with { Query = query }, problem);
    }

    private static TargetProblem? CheckPath(ReadOnlySpan<char> path)
    {
        if (path.IsEmpty || path[0] != '/') return Bad("the request target must be a path that begins with '/'");
        if (path.Length > MaxPathLength) return Bad($"the path is longer than {MaxPathLength} characters");
        if (path.ContainsAnyExcept(PathCharacters)) return Bad("the path holds a character that no name, tag or digest has");
        if (path.Contains("//", StringComparison.Ordinal)) return Bad("the path holds an empty segment");
        foreach (var range in path.Split('/'))
        {
            if (path[range] is "." or "..") return Bad("the path holds a dot segment");
        }
        var percent = path.IndexOf('%');
        return percent >= 0 && !IsEncodedDigest(path, percent) ? Bad("only the ':' of a digest may be percent-encoded in the path") : null;
    }

    // Some clients escape a digest's colon as they would in a query (RFC 3986 §3.3 does not ask for it).
    private static bool IsEncodedDigest(ReadOnlySpan<char> path, int percent) =>
        percent > path.LastIndexOf('/')
        && path.LastIndexOf('%') == percent
        && path[percent..].StartsWith("%3a", StringComparison.OrdinalIgnoreCase);

    private static (Target Target, TargetProblem? Problem) ReadPath(ReadOnlySpan<char> path)
    {
        if (path is "/token") return (new(Route.Token), null);
        if (path is "/v2/" or "/v2") return (new(Route.Ping), null);
        if (path is "/v2/_catalog") return (new(Route.Catalog), null);
        if (path is "/-/promote") return (new(Route.Promote), null);
        if (path is "/-/policy/evaluate") return (new(Route.Evaluate), null);
        if (path is "/") return (new(Route.Home), null);
        if (path.StartsWith("/-/decisions/", StringComparison.Ordinal)) return ReadId(new(Route.Decision), path["/-/decisions/".Length..]);
        return path.StartsWith("/v2/", StringComparison.Ordinal) ? ReadRepositoryPath(path["/v2/".Length..]) : (new(Route.Unknown), null);
    }

    // The last segments say what a path names, so that repositories may have components called "blobs" or "manifests".
    private static (Target Target, TargetProblem? Problem) ReadRepositoryPath(ReadOnlySpan<char> path)
    {
        if (Cut(path, "/tags/list", out var name)) return Named(new(Route.Tags), name);
        if (Cut(path, "/blobs/uploads/", out name) || Cut(path, "/blobs/uploads", out name)) return Named(new(Route.Uploads), name);

        var slash = path.LastIndexOf('/');
        if (slash < 0) return (new(Route.Unknown), null);
        var head = path[..slash];
        var last = path[(slash + 1)..];
        if (Cut(head, "/manifests", out name)) return Named(new(Route.Manifest), name, last, ReadReference);
        if (Cut(head, "/blobs/uploads", out name)) return Named(new(Route.Upload), name, last, ReadSession);
        if (Cut(head, "/blobs", out name)) return Named(new(Route.Blob), name, last, ReadDigest);
        if (Cut(head, "/referrers", out name)) return Named(new(Route.Referrers), name, last, ReadDigest);
        return (new(Route.Unknown), null);
    }

    private static bool Cut(ReadOnlySpan<char> path, string end, out ReadOnlySpan<char> name)
    {
        var found = path.EndsWith(end, StringComparison.Ordinal);
        name = found ? path[..^end.Length] : default;
        return found;
    }

    private delegate (Target Target, TargetProblem? Problem) ReadPart(Target target, ReadOnlySpan<char> text);

    private static (Target Target, TargetProblem? Problem) Named(
        Target target, ReadOnlySpan<char> text, ReadOnlySpan<char> rest = default, ReadPart? readRest = null)
    {
        if (!RepositoryName.TryParse(text, out var name))
            return (target, Bad($"expected a repository name of lower-case components joined by '/', got {Printable.Quote(text)}"));
        var named = target with { Repository = name };
        return readRest is null ? (named, null) : readRest(named, rest);
    }

    private static (Target Target, TargetProblem? Problem) ReadReference(Target target, ReadOnlySpan<char> text)
    {
        if (text.ContainsAny(':', '%')) return ReadDigest(target, text);
        return TagName.TryParse(text, out var tag)
            ? (target with { Reference = new(tag) }, null)
            : (target, new(
                RegistryErrorCode.TAG_INVALID,
                $"expected a tag of 1 to 128 letters, digits, '_', '.' and '-', got {Printable.Quote(text)}"));
    }

    private static (Target Target, TargetProblem? Problem) ReadDigest(Target target, ReadOnlySpan<char> text)
    {
        var percent = text.IndexOf('%');
        var decoded = percent < 0 ? text : $"{text[..percent]}:{text[(percent + 3)..]}";
        var read = Digest.TryParse(decoded, out var digest);
        return read
            ? (target with { Reference = new(digest) }, null)
            : (target, new(
                RegistryErrorCode.DIGEST_INVALID,
                $"expected a digest, which is sha256: or sha512: and lower-case hexadecimal digits, got {Printable.Quote(text)}"));
    }

    private static (Target Target, TargetProblem? Problem) ReadId(Target target, ReadOnlySpan<char> text) =>
        text.IsEmpty || text.Length > MaxIdLength || text.ContainsAnyExcept(IdCharacters)
            ? (new(Route.Unknown) { Repository = target.Repository }, null)
            : (target with { Id = text.ToString() }, null);

    // An id of Storage.Uploads has no hyphen; the offset behind one has the form of Locations.Session.
    private static (Target Target, TargetProblem? Problem) ReadSession(Target target, ReadOnlySpan<char> text)
    {
        var hyphen = text.IndexOf('-');
        if (hyphen < 0) return ReadId(target, text);
        var isOffset = long.TryParse(text[(hyphen + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            && (text[hyphen + 1] != '0' || text.Length == hyphen + 2);
        return isOffset
            ? ReadId(target with { Offset = offset }, text[..hyphen])
            : (new(Route.Unknown) { Repository = target.Repository }, null);
    }

    private static TargetProblem Bad(string message) => new(RegistryErrorCode.NAME_INVALID, message);
}
