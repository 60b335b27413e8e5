using Gateway.Operations.ReadModels;

namespace Gateway.WebConsole;

/// <summary>The commands with which people sign.</summary>
internal static class SignCommands
{
    /// <summary>The command by which an authority signs a manifest.</summary>
    public static string Of(SigningHint signer, Visit visit, string repository, string digest)
    {
        var image = $"{visit.Registry}/{repository}@{digest}";
        if (signer.Tool == "notation") return $"notation sign {(visit.IsPlain ? "--insecure-registry " : "")}{image}";
        var key = signer.Key is null ? "" : $"--key {signer.Key}.key ";
        var plain = visit.IsPlain ? "--allow-http-registry " : "";
        return $"cosign sign {key}{plain}{(signer.EachImage ? "--recursive " : "")}{image}";
    }
}
