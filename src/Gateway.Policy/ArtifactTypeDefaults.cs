namespace Gateway.Policy;

/// <summary>The types that are allowed by default: Quay's tables, unchanged from 3.9 to 3.18 (Quay's config.py).</summary>
internal static class ArtifactTypeDefaults
{
    /// <summary>Helm's config type.</summary>
    public const string HelmConfig = "application/vnd.cncf.helm.config.v1+json";

    /// <summary>The only config type of a Docker schema 2 manifest.</summary>
    public const string DockerConfig = "application/vnd.docker.container.image.v1+json";

    /// <summary>The layer types of an OCI image that need no entry.</summary>
    public static ImmutableArray<string> OciLayers { get; } =
    [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ];

    /// <summary>The layer types of Helm's config that need no entry, unless <c>FEATURE_HELM_OCI_SUPPORT</c> is false.</summary>
    public static ImmutableArray<string> HelmLayers { get; } =
        ["application/tar+gzip", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"];

    /// <summary>The only layer types of a Docker schema 2 manifest.</summary>
    public static ImmutableArray<string> DockerLayers { get; } =
        ["application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"];

    /// <summary>
    /// Quay's default of <c>ALLOWED_OCI_ARTIFACT_TYPES</c>. A configured list replaces it, except with <c>merge: extend</c>.
    /// </summary>
    public static ImmutableSortedDictionary<string, ImmutableArray<string>> QuayAllowed { get; } =
        ImmutableSortedDictionary<string, ImmutableArray<string>>.Empty.WithComparers(StringComparer.Ordinal)
            .Add(MediaTypes.OciConfig,
            [
                "application/vnd.dev.cosign.simplesigning.v1+json",
                "application/vnd.dsse.envelope.v1+json",
                "text/spdx",
                "text/spdx+xml",
                "text/spdx+json",
                "application/vnd.syft+json",
                "application/vnd.cyclonedx",
                "application/vnd.cyclonedx+xml",
                "application/vnd.cyclonedx+json",
                "application/vnd.in-toto+json",
            ])
            .Add(HelmConfig, HelmLayers)
            .Add("application/vnd.oci.source.image.config.v1+json", ["application/vnd.oci.image.layer.v1.tar+gzip"])
            .Add("application/vnd.unknown.config.v1+json",
            [
                "application/vnd.cncf.openpolicyagent.policy.layer.v1+rego",
                "application/vnd.cncf.openpolicyagent.data.layer.v1+json",
            ]);
}
