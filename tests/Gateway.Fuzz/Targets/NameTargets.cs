using System.Text.RegularExpressions;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Fuzz.Targets;

/// <summary>Digests, against the grammar of policy.md's own words for it: one regular expression.</summary>
public sealed partial class DigestTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
        Texts($"sha256:{new string('a', 64)}", $"sha512:{new string('0', 128)}", $"SHA256:{new string('A', 64)}", "md5:d41d8cd9");

    protected override string[] Words => ["sha256:", "sha512:", "ѕha256:", "\n", "%3A", "１"];

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var read = Digest.TryParse(text, out var digest);
        Assert.Equal(Form().IsMatch(text), read);
        Assert.Equal(read ? text : "", digest.ToString());
        return $"{read} {digest.Algorithm}";
    }

    [GeneratedRegex(@"\A(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}

/// <summary>Names of repositories and tags, against the distribution-spec's regular expressions.</summary>
public sealed partial class NameTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "library/nginx", "a", "a/b/c", "a.b_c__d---e/f", "v1.2.3", "_x", "Prod//app", "prod/./app");

    protected override string[] Words => ["/", "__", "--", ".", "..", "%2F", "A"];

    protected override int MaxLength => 512;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var isName = RepositoryName.TryParse(text, out RepositoryName name);
        var isTag = TagName.TryParse(text, out var tag);
        Assert.Equal(text.Length <= 255 && Name().IsMatch(text), isName);
        Assert.Equal(Tag().IsMatch(text), isTag);
        Assert.Equal(isName ? text : "", name.ToString());
        Assert.Equal(isTag ? text : "", tag.ToString());
        // Either may become a file's name.
        if (isName || isTag) Assert.StartsWith("/r/", Path.GetFullPath($"/r/{text}/x"), StringComparison.Ordinal);
        return $"{isName} {isTag} {text.Count(c => c == '/')}";
    }

    [GeneratedRegex(@"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z", RegexOptions.NonBacktracking)]
    private static partial Regex Name();

    [GeneratedRegex(@"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Tag();
}

/// <summary>References as people, workloads and the admin API write them.</summary>
public sealed class ReferenceTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "nginx", "ghcr.io/org/app:1", $"registry:5000/app@sha256:{new string('b', 64)}", $"app:1@sha256:{new string('b', 64)}",
        "localhost/app", "a@b@c");

    protected override string[] Words => ["@sha256:", ":latest", "docker.io/", "localhost", ":5000/"];

    protected override int MaxLength => 1024;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var image = ImageReference.Parse(text);
        if (image is not null)
        {
            Assert.True(RepositoryName.TryParse(image.Path, out RepositoryName _));
            Assert.DoesNotContain('@', image.Name);
            Assert.Equal(image, ImageReference.Parse($"{image.Name}{(image.Reference.IsDigest ? "@" : ":")}{image.Reference}"));
        }
        var written = WrittenReference.Parse(text);
        if (written is { What: var what, Name: var name })
            Assert.Equal(written, WrittenReference.Parse(what is { } one ? $"{name}{(one.IsDigest ? "@" : ":")}{one}" : $"{name}"));
        return $"{image?.Reference.IsDigest} {image?.Registry == "docker.io"} {written?.What?.IsDigest}";
    }
}

/// <summary>Globs of rules, against the same said as a regular expression: pattern and text are two lines.</summary>
public sealed class GlobTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "prod/**\nprod/app", "**/app\na/b/app", "a*b\na/b", "**\n", "*.cloudfront.net\nx.cloudfront.net", "a/**/b\na/b");

    protected override string[] Words => ["**/", "/**", "*", "***", "/"];

    protected override int MaxLength => 200;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var line = text.IndexOf('\n', StringComparison.Ordinal);
        var (pattern, name) = line < 0 ? (text, "") : (text[..line], text[(line + 1)..]);
        var matches = Glob.IsMatch(pattern, name);
        // Told again by the runtime's engine, where the pattern has no three stars in a row, which are read by pairs.
        if (!pattern.Contains("***", StringComparison.Ordinal)) Assert.Equal(Same(pattern).IsMatch(name), matches);
        return $"{matches} {pattern.Count(c => c == '*')}";
    }

    private static Regex Same(string pattern)
    {
        var form = Regex.Replace(pattern, @"(?<=\A|/)\*\*/|\*\*|\*|[^*]", part => part.Value switch
        {
            "**/" => "(?:(?s:.)*/)?",
            "**" => "(?s:.)*",
            "*" => "[^/]*",
            var one => Regex.Escape(one),
        }, RegexOptions.Singleline);
        return new($@"\A(?:{form})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
    }
}

/// <summary>Versions in tags: an order must be one.</summary>
public sealed class VersionTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "v1.2.3\n1.2.4-rc.1+build", "1.0.0-alpha.1\n1.0.0-alpha.beta", "99999999999999999999.0.0\n1.0.0");

    protected override string[] Words => ["-rc.", "+", "-", "v", "0", "."];

    protected override int MaxLength => 300;

    protected override string Try(byte[] input)
    {
        var lines = TextOf(input).Split('\n');
        var (left, right) = (SemanticVersion.Parse(lines[0]), SemanticVersion.Parse(lines[^1]));
        if (left is null || right is null) return $"{left is null} {right is null}";
        Assert.Equal(lines[0], left.ToString());
        Assert.Equal(0, left.CompareTo(left));
        Assert.Equal(Math.Sign(left.CompareTo(right)), -Math.Sign(right.CompareTo(left)));
        return $"compared {Math.Sign(left.CompareTo(right))}";
    }
}
