using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Operations;
using Gateway.Repositories;

namespace Gateway.Registry;

/// <summary>
/// All that a configuration makes, as one value: a request keeps the one it began with, a reload puts another in its place.
/// </summary>
internal sealed record Snapshot(GatewayOptions Options, AccessControl Access, RepositoryRouter Router, AuditLog Audit)
{
    /// <summary>Largest manifest that is read from a client, in bytes.</summary>
    public int MaxManifestBytes { get; } = (Options.Policy?.Parser.Limits ?? new ManifestLimits()).MaxBytes;
}
