namespace Gateway.Storage;

/// <summary>Removes sessions that are too old, and counts those that are open.</summary>
public sealed partial class Uploads
{
    /// <summary>
    /// Removes sessions that are too old, and bytes without a session. It also counts the sessions of earlier processes, and those that
    /// other processes began and ended.
    /// </summary>
    public async ValueTask SweepAsync(CancellationToken cancellationToken)
    {
        UnreadableException? unreadable = null;
        var oldest = _clock.GetUtcNow() - _limits.Idle;
        var known = _open.All();
        await foreach (var id in _store.UploadsAsync(cancellationToken))
        {
            known.Remove(id);
            try
            {
                await SweepAsync(id, oldest, cancellationToken);
            }
            catch (UnreadableException e)
            {
                // A session that cannot be removed does not prevent the removal of others.
                unreadable = e;
            }
            catch (NewerRecordException)
            {
                // It belongs to a gateway of a newer version, which removes it.
            }
        }
        if (_store.SharesUploads)
        {
            // Another process has ended them; a list may not show a new one yet.
            foreach (var id in known)
            {
                if (await TryFindAsync(id, cancellationToken) is null) _open.Remove(id);
            }
        }
        _counted = true;
        if (Staged is not null) await Staged.SweepAsync(cancellationToken);
        if (unreadable is not null) throw unreadable;
    }

    /// <summary>The number of sessions that <see cref="SweepAsync(CancellationToken)"/> would remove because of their age.</summary>
    public async ValueTask<int> CountExpiredAsync(CancellationToken cancellationToken)
    {
        var oldest = _clock.GetUtcNow() - _limits.Idle;
        var count = await _store.UploadsAsync(cancellationToken).Distinct().CountAsync(
            async (id, token) => (await TryFindAsync(id, token))?.Written < oldest, cancellationToken);
        return count + (Staged is null ? 0 : await Staged.CountExpiredAsync(cancellationToken));
    }

    private async ValueTask SweepAsync(string id, DateTimeOffset oldest, CancellationToken cancellationToken)
    {
        var (note, data) = (await _store.ReadUploadNoteAsync(id, cancellationToken), await _store.FindUploadAsync(id, cancellationToken));
        if (note is null || data is null)
        {
            if (await _store.RemoveLeftoversAsync(id, _clock.GetUtcNow().AddMinutes(-1), cancellationToken)) Forget(id);
        }
        else if (data.Value.Written < oldest) await EndIdleAsync(id, oldest, cancellationToken);
        else if (!_counted || _store.SharesUploads) _open.Keep(id, note);
    }

    /// <summary>As the store finds it; null also for a session of a newer version.</summary>
    private async ValueTask<UploadFacts?> TryFindAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return await _store.FindUploadAsync(id, cancellationToken);
        }
        catch (NewerRecordException)
        {
            return null;
        }
    }

    private void Forget(string id)
    {
        _sessions.TryRemove(id, out _);
        _open.Remove(id);
    }

    /// <summary>Removes an old session, unless a request has its turn or has used it since it was listed.</summary>
    private async ValueTask EndIdleAsync(string id, DateTimeOffset oldest, CancellationToken cancellationToken)
    {
        var session = await ReadAsync(id, cancellationToken);
        if (session is null)
        {
            await EndAsync(id);
            return;
        }
        if (!session.Turn.Wait(0, CancellationToken.None)) return;
        try
        {
            // A request that waits for the turn finds that the session has ended.
            if (await _store.FindUploadAsync(id, cancellationToken) is not { } data || data.Written < oldest) await EndAsync(id);
        }
        finally
        {
            session.Turn.Release();
        }
    }
}
