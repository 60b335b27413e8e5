namespace Gateway.Policy.Signatures;

/// <summary>Whether a valid signature states what is required.</summary>
internal static class Claim
{
    /// <summary>Why this claim is not a signature of the subject in this repository; null when it is one.</summary>
    public static Checked? ProblemOf(Claims claims, Digest subject, BindReference binding, RepositoryName repository)
    {
        if (!claims.Names(subject)) return WrongDigest(claims, subject);
        return claims switch
        {
            Claims.Statement { PredicateType: not EvidenceTypes.SignPredicate } other => Checked.Untrusted(
                ReasonCodes.SigWrongPredicate, $"an attestation {Printable.Quote(other.PredicateType)}, which is no signature"),
            Claims.SimpleSigning { Type: not EvidenceTypes.SimpleSigningClaim } other => Checked.Untrusted(
                ReasonCodes.SigWrongPredicate,
                $"expected critical.type '{EvidenceTypes.SimpleSigningClaim}', got {Printable.Quote(other.Type)}"),
            _ => ReferenceProblemOf((claims as Claims.SimpleSigning)?.DockerReference, binding, repository),
        };
    }

    /// <summary>Why this statement does not state what is required about the subject; null when it does.</summary>
    public static Checked? ProblemOf(Claims.Statement statement, Digest subject, ImmutableArray<PredicateCondition> where)
    {
        if (!statement.Names(subject)) return WrongDigest(statement, subject);
        return Predicate.ProblemOf(statement.Predicate, where) is { } problem
            ? Checked.Untrusted(ReasonCodes.AttPredicateFailed, problem)
            : null;
    }

    private static Checked WrongDigest(Claims claims, Digest subject)
    {
        var named = claims switch
        {
            Claims.SimpleSigning simple => simple.ManifestDigest,
            Claims.Statement statement => string.Join(", ", statement.Subjects.Take(3)),
            _ => ((Claims.Target)claims).Artifact.Digest.ToString(),
        };
        return Checked.Untrusted(ReasonCodes.SigWrongDigest, $"expected a signature of {subject}, got one of {Printable.Quote(named)}");
    }

    private static Checked? ReferenceProblemOf(string? reference, BindReference binding, RepositoryName repository)
    {
        if (binding == BindReference.Ignore) return null;
        if (string.IsNullOrEmpty(reference))
            return binding == BindReference.Optional
                ? null
                : Checked.Untrusted(
                    ReasonCodes.SigWrongReference, $"expected a signature made for {repository}, got one that names no repository");
        return Names(reference, repository.Value)
            ? null
            : Checked.Untrusted(
                ReasonCodes.SigWrongReference, $"expected a signature made for {repository}, got one for {Printable.Quote(reference)}");
    }

    // The gateway can have many names, but a repository in it has one: a host before that name, the tag and the digest are not compared.
    // The part before the first slash is a host when it could not be part of a name (distribution/reference). The name of an upstream's
    // repository begins with the upstream's host, which is compared: others can have a repository of the same name at another host.
    private static bool Names(string reference, string repository)
    {
        var name = reference.AsSpan();
        if (name.IndexOf('@') is >= 0 and var at) name = name[..at];
        if (name.LastIndexOf(':') is >= 0 and var colon && colon > name.LastIndexOf('/')) name = name[..colon];
        if (name.SequenceEqual(repository) || WithOneHubName(name).SequenceEqual(WithOneHubName(repository))) return true;
        var slash = name.IndexOf('/');
        return slash > 0 && (name[..slash].ContainsAny('.', ':') || name[..slash] is "localhost")
            && name[(slash + 1)..].SequenceEqual(repository);
    }

    // Docker Hub has these other hosts: cosign writes the first (go-containerregistry), and Docker's clients connect to the second.
    private static ReadOnlySpan<char> WithOneHubName(ReadOnlySpan<char> name) => name.IndexOf('/') is > 0 and var slash
        && name[..slash] is "index.docker.io" or "registry-1.docker.io"
            ? $"docker.io{name[slash..]}"
            : name;
}
