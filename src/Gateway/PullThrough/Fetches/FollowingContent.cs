using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>
/// A reader of a fetch under way. It follows the growing file; when the volume is full, it continues from the upstream by itself.
/// </summary>
/// <param name="fetch">The joined fetch; <see cref="DisposeAsync"/> leaves it.</param>
/// <param name="length">The length as far as known; null if unknown.</param>
/// <param name="early">For ranges; null for the whole blob and if no unverified byte may be sent.</param>
internal sealed class FollowingContent(
    FetchResources resources, BlobFetch fetch, long? length, UpstreamRepository source, EarlyRange? early) : IContent
{
    private bool _left;

    public Digest Digest => fetch.Digest;

    public long? Length => length ?? fetch.Part.Length;

    public bool IsVerified => fetch.Part.IsVerified;

    public async ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken)
    {
        var isWhole = offset == 0 && (count is null || count == Length);
        var end = count is { } n ? offset + n : Length;
        try
        {
            offset = await FollowAsync(writer, offset, end, at => offset = at, cancellationToken);
        }
        catch (FetchException e) when (e.Failure == FetchFailure.NoRoom)
        {
            Log.GoingOnAlone(resources.Logger, Digest, offset);
            await GoOnAloneAsync(writer, offset, end, isWhole, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_left) return;
        _left = true;
        if (early is not null) await early.DisposeAsync();
        await fetch.LeaveAsync();
    }

    private async ValueTask<long> FollowAsync(
        IBodyWriter writer, long offset, long? end, Action<long> reached, CancellationToken cancellationToken)
    {
        while (end is null || offset < end)
        {
            if (early is not null && end is { } to)
            {
                var at = offset;
                reached(offset = await early.CopyToAsync(writer, at, to, cancellationToken));
                if (offset > at) continue;
            }
            var readable = Math.Min(await fetch.Part.WaitBeyondAsync(offset, cancellationToken), end ?? long.MaxValue);
            if (readable <= offset) break;
            await writer.SendFileAsync(fetch.Part.Handle, offset, readable - offset, cancellationToken);
            reached(offset = readable);
        }
        if (offset < end) throw new FetchException(FetchFailure.Wrong, $"expected {end} bytes of {Digest}, got {offset}");
        return offset;
    }

    private async Task GoOnAloneAsync(IBodyWriter writer, long offset, long? end, bool isWhole, CancellationToken cancellationToken)
    {
        if (!isWhole)
        {
            await using var range = await PassingContent.OpenAsync(
                resources, Digest, Length, source, BlobUseKind.Range, cancellationToken);
            await range.CopyToAsync(writer, offset, end - offset, cancellationToken);
            return;
        }
        var (hash, position) = fetch.Part.CopyHash();
        if (position > offset) await writer.SendFileAsync(fetch.Part.Handle, offset, position - offset, cancellationToken);
        await PassingContent.ContinueAsync(resources, fetch, hash, position, writer, cancellationToken);
    }
}
