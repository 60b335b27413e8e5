using System.Collections.Immutable;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>Removes content: at the upstream first, then here. Content that the upstream never had is removed only here.</summary>
internal sealed partial class FrontedRepository
{
    private async ValueTask<CommitResult> RemoveAsync(Change change, CancellationToken cancellationToken)
    {
        using var turn = await forwarder.TakeTurnAsync(cancellationToken);
        if (Refuse(change) is { } refusal) return refusal;
        var here = ImmutableArray.CreateBuilder<Operation>();
        var there = ImmutableArray.CreateBuilder<Operation>();
        foreach (var operation in change.Operations)
        {
            var isHere = IsHere(operation);
            if (isHere) here.Add(operation);
            if (!await IsThereAsync(operation, isHere, cancellationToken)) continue;
            switch (operation)
            {
                case Operation.RemoveTag o:
                    await forwarder.DeleteAsync(UpstreamNoun.Manifest, o.Tag.Value, cancellationToken);
                    break;
                case Operation.RemoveManifest o:
                    await forwarder.DeleteAsync(UpstreamNoun.Manifest, o.Digest.ToString(), cancellationToken);
                    break;
                case Operation.RemoveBlob o:
                    await forwarder.DeleteAsync(UpstreamNoun.Blob, o.Digest.ToString(), cancellationToken);
                    break;
            }
            there.Add(operation);
        }
        CommitResult result = new CommitResult.Committed(0);
        if (there.Count > 0)
        {
            result = await pulled.CommitAsync(
                new(there.ToImmutable()) { IsFetched = true, IsForwarded = true, Committed = change.Committed }, CancellationToken.None);
        }
        if (here.Count > 0)
            result = await staged.CommitAsync(new(here.ToImmutable()) { Committed = change.Committed }, CancellationToken.None);
        return result;
    }

    private bool IsHere(Operation operation) => operation switch
    {
        Operation.RemoveTag o => !staged.LiveOf(o.Tag).IsEmpty,
        Operation.RemoveManifest o => IsStaged(LinkKind.Manifest, o.Digest),
        Operation.RemoveBlob o => IsStaged(LinkKind.Blob, o.Digest),
        Operation.SetVerdict o => IsStaged(LinkKind.Manifest, o.Digest),
        _ => true,
    };

    /// <summary>Whether the upstream may have it. Staged content that is not known to be at the upstream is not there.</summary>
    private async ValueTask<bool> IsThereAsync(Operation operation, bool isHere, CancellationToken cancellationToken) => operation switch
    {
        Operation.RemoveTag o => !isHere || await pulled.ResolveAsync(o.Tag, cancellationToken) is not Result<TagState>.Absent,
        Operation.RemoveManifest o => !isHere || IsCached(LinkKind.Manifest, o.Digest),
        Operation.RemoveBlob o => !isHere || IsCached(LinkKind.Blob, o.Digest),
        Operation.SetVerdict o => IsCached(LinkKind.Manifest, o.Digest),
        _ => false,
    };
}
