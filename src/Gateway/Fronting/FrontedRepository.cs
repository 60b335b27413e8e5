using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// A repository of an upstream that accepts pushes. Content that is not forwarded yet is staged; all other content is pulled through. Reads
/// look into both, the staged root first (docs/design/0013-fronting.md).
/// </summary>
/// <param name="staged">Content that is not at the upstream yet.</param>
/// <param name="cached">The cached content of the upstream, for the notes in it.</param>
/// <param name="pulled">The cached content with the upstream behind it.</param>
/// <param name="wakeLater">
/// Tells the queue that a push waits to be forwarded; null if pushes are forwarded before they are answered.
/// </param>
internal sealed partial class FrontedRepository(
    VolumeContent content, StoredRepository staged, StoredRepository cached, IBacking pulled, Forwarder forwarder,
    Action? wakeLater = null) : DelegatingBacking(new StagedOverlay(staged, pulled))
{
    private bool IsStaged(LinkKind kind, Digest digest) => staged.FindLink(kind, digest) is not null;

    private bool IsCached(LinkKind kind, Digest digest) => cached.FindLink(kind, digest) is not null;
}
