using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// A repository of an upstream that takes pushes: what was accepted for the upstream and is not there yet lies staged; all else is pulled
/// through. What is asked for is looked for in both, staged first (docs/design/0013-fronting.md).
/// </summary>
/// <param name="staged">What is not at the upstream yet.</param>
/// <param name="cached">What is kept of the upstream, for the notes in it.</param>
/// <param name="pulled">The same with the upstream behind it.</param>
/// <param name="wakeLater">Tells whoever gives the upstream what pushes left for it; null where a push is answered after that.</param>
internal sealed partial class FrontedRepository(
    Volume volume, StoredRepository staged, StoredRepository cached, IBacking pulled, Forwarder forwarder,
    Action? wakeLater = null) : DelegatingBacking(new StagedOverlay(staged, pulled))
{
    private bool IsStaged(LinkKind kind, Digest digest) => staged.FindLink(kind, digest) is not null;

    private bool IsCached(LinkKind kind, Digest digest) => cached.FindLink(kind, digest) is not null;
}
