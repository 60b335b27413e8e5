namespace Gateway.WebConsole;

/// <summary>The commands with which clients pull a reference.</summary>
internal static class PullCommands
{
    /// <summary>The clients of the picker.</summary>
    public static IReadOnlyList<string> Tools { get; } = ["docker", "podman", "containerd", "crane", "helm", "oras"];

    /// <summary>The tool of a query; the first one for any other text.</summary>
    public static string ToolOf(string? asked) => Tools.FirstOrDefault(tool => tool == asked) ?? Tools[0];

    /// <summary>The command of a tool.</summary>
    /// <param name="reference">The tag, or the digest.</param>
    public static string Of(string tool, Visit visit, string repository, string reference)
    {
        var isDigest = reference.Contains(':', StringComparison.Ordinal);
        var image = $"{visit.Registry}/{repository}{(isDigest ? "@" : ":")}{reference}";
        var plain = visit.IsPlain;
        return tool switch
        {
            "podman" => $"podman pull {(plain ? "--tls-verify=false " : "")}{image}",
            "containerd" => $"ctr images pull {(plain ? "--plain-http " : "")}{image}",
            "crane" => $"crane pull {(plain ? "--insecure " : "")}{image} image.tar",
            "helm" => isDigest
                ? $"helm pull {(plain ? "--plain-http " : "")}oci://{visit.Registry}/{repository}@{reference}"
                : $"helm pull {(plain ? "--plain-http " : "")}oci://{visit.Registry}/{repository} --version {reference}",
            "oras" => $"oras pull {(plain ? "--plain-http " : "")}{image}",
            _ => $"docker pull {image}",
        };
    }
}
