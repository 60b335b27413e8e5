using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forge;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>The repository that a signature names, where a rule binds signatures to repositories of upstreams.</summary>
public sealed class BoundReferenceTests
{
    private static readonly TestKey Release = TestKey.Ecdsa();

    /// <remarks>cosign writes Docker Hub's registry with its own host name.</remarks>
    [Theory]
    [InlineData("docker.io/library/alpine", "index.docker.io/library/alpine", true)]
    [InlineData("docker.io/library/alpine", "docker.io/library/alpine:3", true)]
    [InlineData("docker.io/library/alpine", "registry-1.docker.io/library/alpine", true)]
    [InlineData("docker.io/library/alpine", "gw.example/docker.io/library/alpine", true)]
    [InlineData("ghcr.io/acme/app", "ghcr.io/acme/app", true)]
    [InlineData("team.prod/app", "gw.example/team.prod/app", true)]
    [InlineData("docker.io/acme/app", "ghcr.io/acme/app", false)]
    [InlineData("docker.io/acme/app", "acme/app", false)]
    [InlineData("docker.io/acme/app", "index.docker.io.evil/acme/app", false)]
    [InlineData("ghcr.io/acme/app", "index.docker.io/acme/app", false)]
    [InlineData("team.prod/app", "gw.example/app", false)]
    [InlineData("docker.io/library/alpine", "index.docker.io/library/other", false)]
    [InlineData("docker.io/library/alpine", "index.docker.io/evil/library/alpine", false)]
    public void Signature_made_for_the_repository_of_an_upstream_counts_where_it_is_bound(string name, string reference, bool counts)
    {
        var evidence = EvidenceSet.Read([Tagged(SimpleSigning(Release, Payload(reference: reference)))]);
        var bound = new SignatureRequirementOptions("release") { BindReference = BindReference.Required };

        var check = new EvidenceVerifier(TrustIn.Keys(Release)).Signatures(bound, Subject, RepositoryName.Parse(name), evidence, Now);

        Assert.Equal(counts, check.IsSatisfied);
    }
}
