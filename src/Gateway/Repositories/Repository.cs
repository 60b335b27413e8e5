using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What a push of a manifest brings.</summary>
/// <param name="Reference">What it is pushed by.</param>
/// <param name="Tags">Tags of <c>?tag=</c> (distribution-spec main, end-7b); all are bound or none.</param>
/// <param name="ContentType">The header without parameters; null when it was not sent.</param>
internal sealed record ManifestPush(Reference Reference, ImmutableArray<TagName> Tags, string? ContentType, ReadOnlyMemory<byte> Bytes);

/// <summary>What became of a push.</summary>
/// <param name="Subject">For <c>OCI-Subject</c>; empty when the manifest names none.</param>
/// <param name="Tags">Tags bound by <c>?tag=</c>, for <c>OCI-Tag</c>.</param>
internal sealed record PushedManifest(Digest Digest, Digest Subject, ImmutableArray<TagName> Tags);

/// <summary>
/// One repository as its askers see it: the gate. The only thing that handlers can name; who sees what is decided here and nowhere else.
/// </summary>
internal sealed class Repository(
    RepositoryName name, IBacking backing, Judge judge, Volume volume, RecentBlobs recent, bool takesPushes, TimeProvider clock)
{
    private readonly BlobAdmission _admission = new(name, backing, judge);

    /// <summary>The name that clients use.</summary>
    public RepositoryName Name { get; } = name;

    public async ValueTask<Answer<StoredManifest>> GetManifestAsync(Asker asker, Reference reference, CancellationToken cancellationToken)
    {
        if (reference.IsDigest) return await GetByDigestAsync(asker, reference.Digest, null, cancellationToken);
        return await backing.ResolveAsync(reference.Tag, cancellationToken) switch
        {
            Result<TagState>.Found { Value: var tag, Provenance: var provenance } => tag.Offered.IsEmpty
                ? Resolved(await GetByDigestAsync(asker, tag.Live, reference.Tag, cancellationToken), provenance)
                : await TakeOfferAsync(asker, reference.Tag, tag, provenance, cancellationToken),
            Result<TagState>.Unavailable no => new Answer<StoredManifest>.Unavailable(no.RetryAfter, no.Why, no.Provenance),
            var no => new Answer<StoredManifest>.Absent(no.Provenance),
        };
    }

    /// <summary>An answer by tag came about as its tag was resolved, unless the manifest itself had to be fetched.</summary>
    private static Answer<StoredManifest> Resolved(Answer<StoredManifest> answer, Provenance tag) =>
        answer is Answer<StoredManifest>.Found { Provenance.IsHit: true } found ? found with { Provenance = tag } : answer;

    private async ValueTask<Answer<StoredManifest>> GetByDigestAsync(
        Asker asker, Digest digest, TagName? tag, CancellationToken cancellationToken)
    {
        switch (await backing.ReadManifestAsync(digest, cancellationToken))
        {
            case Result<StoredManifest>.Found { Value.IsStored: true } found:
                var verdict = await judge.OfStoredAsync(backing, Name, found.Value, tag, cancellationToken);
                return Show(asker, found.Value, verdict, tag?.Value ?? digest.ToString(), found.Provenance);
            case Result<StoredManifest>.Found found:
                var admitted = await AdmitFetchedAsync(asker, found.Value, null, found.Provenance, cancellationToken);
                return await ShowFetchedAsync(asker, admitted, tag, cancellationToken);
            case Result<StoredManifest>.Unavailable no:
                return new Answer<StoredManifest>.Unavailable(no.RetryAfter, no.Why, no.Provenance);
            case var no:
                return new Answer<StoredManifest>.Absent(no.Provenance);
        }
    }

    /// <summary>
    /// Shows a stored manifest under a verdict. One who is known and may push here sees it whatever the verdict: else nobody could push
    /// over it.
    /// </summary>
    private Answer<StoredManifest> Show(Asker asker, StoredManifest manifest, Verdict verdict, string reference, Provenance provenance)
    {
        if (verdict.Outcome == Outcome.Allow) return new Answer<StoredManifest>.Found(manifest, provenance);
        var decision = judge.Decide(verdict, Stage.Pull, Name, reference, manifest.Digest, asker);
        return verdict.Admits || IsKnownPusher(asker)
            ? new Answer<StoredManifest>.Found(manifest, provenance) { Warning = decision }
            : new Answer<StoredManifest>.Hidden(decision, provenance);
    }

    private bool IsKnownPusher(Asker asker) => takesPushes && asker.MayPush && asker.Actor != Asker.Anonymous;

    /// <summary>
    /// The upstream says that the tag should be another manifest than the one we have: that one is judged before the tag moves.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> TakeOfferAsync(
        Asker asker, TagName tag, TagState state, Provenance provenance, CancellationToken cancellationToken)
    {
        var offered = await backing.ReadManifestAsync(state.Offered, cancellationToken);
        if (offered is Result<StoredManifest>.Found found)
        {
            var admitted = await AdmitFetchedAsync(asker, found.Value, (tag, state.Live), found.Provenance, cancellationToken);
            var answer = judge.DependsOnStage ? await ShowFetchedAsync(asker, admitted, tag, cancellationToken) : admitted;
            if (answer is not Answer<StoredManifest>.Refused refused || state.Live.IsEmpty) return answer;
            return await LastKnownGoodAsync(
                asker, tag, state.Live, provenance, $"newer {state.Offered} refused by policy, decision {refused.Decision.Id}",
                cancellationToken);
        }
        if (!state.Live.IsEmpty)
            return await LastKnownGoodAsync(
                asker, tag, state.Live, provenance, $"newer {state.Offered} could not be fetched", cancellationToken);
        return offered is Result<StoredManifest>.Unavailable no
            ? new Answer<StoredManifest>.Unavailable(no.RetryAfter, no.Why, no.Provenance)
            : new Answer<StoredManifest>.Absent(offered.Provenance);
    }

    private async ValueTask<Answer<StoredManifest>> LastKnownGoodAsync(
        Asker asker, TagName tag, Digest live, Provenance provenance, string why, CancellationToken cancellationToken) =>
        Resolved(
            await GetByDigestAsync(asker, live, tag, cancellationToken),
            provenance with { IsHit = true, Forward = "stale", Warning = $"{Name}:{tag} is not what the upstream has: {why}" });

    /// <summary>A manifest that has come from an upstream: kept, and its tag bound, only if the policy admits it.</summary>
    private async ValueTask<Answer<StoredManifest>> AdmitFetchedAsync(
        Asker asker, StoredManifest manifest, (TagName Name, Digest Live)? tag, Provenance provenance, CancellationToken cancellationToken)
    {
        var tags = tag is { } bound ? ImmutableArray.Create(bound.Name) : [];
        var verdict = await judge.OfNewAsync(backing, Name, manifest, Stage.ProxyFetch, tags, cancellationToken);
        var reference = tag?.Name.Value ?? manifest.Digest.ToString();
        if (!verdict.Admits)
            return new Answer<StoredManifest>.Refused(
                judge.Decide(verdict, Stage.ProxyFetch, Name, reference, manifest.Digest, asker), provenance);
        var change = new Change([.. Store(manifest, verdict), .. tags.Select(t => new Operation.SetLive(t, manifest.Digest))])
        {
            Expectations = tag is { } from ? [new(from.Name, from.Live)] : [],
        };
        try
        {
            // When another request has moved the tag meanwhile, its newer binding stays, and this answer is still what the upstream said.
            var kept = await backing.CommitAsync(change, cancellationToken) is CommitResult.Committed;
            provenance = provenance with { Stored = kept };
        }
        catch (StoreReadOnlyException e)
        {
            // Under a policy blobs are served for the manifest that names them: one that cannot be noted would promise what is then
            // refused.
            if (!judge.Engine.AdmitsEverything) return new Answer<StoredManifest>.Unavailable(null, e.Message, provenance);
            provenance = provenance with { Stored = false };
        }
        return new Answer<StoredManifest>.Found(manifest, provenance)
        {
            Warning = verdict.Outcome == Outcome.Warn
                ? judge.Decide(verdict, Stage.ProxyFetch, Name, reference, manifest.Digest, asker)
                : null,
        };
    }

    /// <summary>
    /// Judges what was admitted as a fetch once more, as a pull: by rules of that stage, and of a tag bound before its bytes were evicted.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> ShowFetchedAsync(
        Asker asker, Answer<StoredManifest> admitted, TagName? tag, CancellationToken cancellationToken)
    {
        if (admitted is not Answer<StoredManifest>.Found { Value: var manifest } found || (tag is null && !judge.DependsOnStage))
            return admitted;
        var verdict = await judge.OfStoredAsync(backing, Name, manifest, tag, cancellationToken);
        return verdict.Admits ? admitted : Show(asker, manifest, verdict, tag?.Value ?? manifest.Digest.ToString(), found.Provenance);
    }

    /// <summary>What keeping a manifest changes, whoever brought it.</summary>
    private IEnumerable<Operation> Store(StoredManifest manifest, Verdict verdict)
    {
        if (manifest.Manifest.Subject is not null) yield return new Operation.Seen(manifest.Digest, clock.GetUtcNow());
        if (!manifest.IsStored) yield return new Operation.StoreManifest(manifest.Digest, manifest.Bytes);
        yield return new Operation.SetVerdict(manifest.Digest, Judge.Stamp(verdict));
        foreach (var blob in manifest.Manifest.Blobs.DistinctBy(b => b.Digest).Where(b => b.Urls.IsEmpty))
            yield return new Operation.LinkBlob(blob.Digest, blob.Size) { Parent = manifest.Digest };
        if (manifest.Manifest.Subject is { } subject) yield return new Operation.AddReferrer(subject.Digest, Referrers.Describe(manifest));
    }

    public async ValueTask<Answer<PushedManifest>> PutManifestAsync(Asker asker, ManifestPush push, CancellationToken cancellationToken)
    {
        if (RefuseChange<PushedManifest>(asker, AccessActions.Push) is { } refusal) return refusal;
        var (manifest, problem) = PushCheck.Read(push, judge.Engine.Limits);
        if (manifest is null) return problem!;
        var tags = push.Reference.IsDigest ? push.Tags : push.Tags.Insert(0, push.Reference.Tag);
        var missing = await PushCheck.FindContentAsync(backing, Name, manifest.Manifest, mayBeAbsent: true, cancellationToken);
        if (missing is not null) return missing;
        var verdict = await judge.OfNewAsync(backing, Name, manifest, Stage.Push, tags, cancellationToken);
        if (!verdict.Admits)
            return new Answer<PushedManifest>.Refused(
                judge.Decide(verdict, Stage.Push, Name, push.Reference.ToString(), manifest.Digest, asker), Provenance.Local);
        return await WriteAsync<PushedManifest>(async () =>
        {
            var change = new Change([.. Store(manifest, verdict), .. tags.Select(t => new Operation.SetLive(t, manifest.Digest))])
            {
                Needs = PushCheck.Needs(manifest.Manifest),
            };
            if (await backing.CommitAsync(change, cancellationToken) is CommitResult.Lacking lacking)
                return PushCheck.DeletedMeanwhile(Name, lacking.Digest);
            return new Answer<PushedManifest>.Found(
                new(manifest.Digest, manifest.Manifest.Subject?.Digest ?? default, push.Tags), Provenance.Local)
            {
                Warning = verdict.Outcome == Outcome.Warn
                    ? judge.Decide(verdict, Stage.Push, Name, push.Reference.ToString(), manifest.Digest, asker)
                    : null,
            };
        });
    }

    /// <summary>By digest: the manifest and every tag bound to it. By tag: the tag alone.</summary>
    public async ValueTask<Answer<Digest>> DeleteManifestAsync(Asker asker, Reference reference, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(asker, AccessActions.Delete) is { } refusal) return refusal;
        if (reference.IsDigest)
        {
            if (await backing.ReadLinkAsync(reference.Digest, LinkKind.Manifest, cancellationToken) is null)
                return new Answer<Digest>.Absent(Provenance.Local);
            return await RemoveAsync(new Operation.RemoveManifest(reference.Digest), reference.Digest, cancellationToken);
        }
        return await backing.ResolveAsync(reference.Tag, cancellationToken) is Result<TagState>.Found { Value: var tag }
            ? await RemoveAsync(new Operation.RemoveTag(reference.Tag), tag.Live, cancellationToken)
            : new Answer<Digest>.Absent(Provenance.Local);
    }

    /// <summary>Opens a blob; the caller disposes it.</summary>
    public async ValueTask<Answer<IContent>> OpenBlobAsync(Asker asker, Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        if (!(takesPushes && asker.MayPush) && !await _admission.IsAdmittedAsync(digest, cancellationToken))
            return new Answer<IContent>.Absent(Provenance.Local);
        return await backing.OpenBlobAsync(digest, use, cancellationToken) switch
        {
            Result<IContent>.Found found => new Answer<IContent>.Found(found.Value, found.Provenance),
            Result<IContent>.Unavailable no => new Answer<IContent>.Unavailable(no.RetryAfter, no.Why, no.Provenance),
            var no => new Answer<IContent>.Absent(no.Provenance),
        };
    }

    /// <summary>Brings a blob of one of the repository's admitted manifests here ahead of need, as far as there is room.</summary>
    public ValueTask<Kept> KeepBlobAsync(Descriptor blob, CancellationToken cancellationToken) =>
        backing.KeepAsync(blob, cancellationToken);

    public async ValueTask<Answer<Digest>> DeleteBlobAsync(Asker asker, Digest digest, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(asker, AccessActions.Delete) is { } refusal) return refusal;
        return await backing.ReadLinkAsync(digest, LinkKind.Blob, cancellationToken) is null
            ? new Answer<Digest>.Absent(Provenance.Local)
            : await RemoveAsync(new Operation.RemoveBlob(digest), digest, cancellationToken);
    }

    private ValueTask<Answer<Digest>> RemoveAsync(
        Operation removal, Digest digest, CancellationToken cancellationToken) => WriteAsync<Digest>(async () =>
    {
        await backing.CommitAsync(new([removal]), cancellationToken);
        return new Answer<Digest>.Found(digest, Provenance.Local);
    });

    /// <summary>Opens a session; <see cref="Answer{T}.Invalid"/> with <c>UNSUPPORTED</c> (405) where nothing can be pushed.</summary>
    public ValueTask<Answer<Upload>> OpenUploadAsync(
        Asker asker, DigestAlgorithm algorithm, CancellationToken cancellationToken) => WriteAsync<Upload>(async () =>
    {
        if (RefuseChange<Upload>(asker, AccessActions.Push) is { } refusal) return refusal;
        return await backing.OpenUploadAsync(algorithm, asker.Actor, cancellationToken) is { } upload
            ? new Answer<Upload>.Found(upload, Provenance.Local)
            : NoPushes<Upload>();
    });

    /// <summary>
    /// Finds a session; <see cref="Answer{T}.Absent"/> (404 <c>BLOB_UPLOAD_UNKNOWN</c>) for any that is not this repository's, or another
    /// actor's.
    /// </summary>
    public ValueTask<Answer<Upload>> FindUploadAsync(
        Asker asker, string id, CancellationToken cancellationToken) => WriteAsync<Upload>(async () =>
    {
        if (await backing.FindUploadAsync(id, cancellationToken) is not { } upload) return new Answer<Upload>.Absent(Provenance.Local);
        if (upload.Actor == asker.Actor) return new Answer<Upload>.Found(upload, Provenance.Local);
        await upload.DisposeAsync();
        return new Answer<Upload>.Absent(Provenance.Local);
    });

    /// <summary>Makes a finished upload the repository's blob; <c>DIGEST_INVALID</c> when its bytes have another digest.</summary>
    public ValueTask<Answer<Digest>> CompleteUploadAsync(
        Asker asker, Upload upload, Digest digest, CancellationToken cancellationToken) => WriteAsync<Digest>(async () =>
    {
        if (RefuseChange<Digest>(asker, AccessActions.Push) is { } refusal) return refusal;
        var found = await upload.FinishAsync(digest.Algorithm, cancellationToken);
        if (found != digest)
            return new Answer<Digest>.Invalid(
                RegistryErrorCode.DIGEST_INVALID,
                $"the blob was pushed as {digest}, but the {upload.Length} bytes received are {found}; push it again");
        await backing.CommitAsync(new([new Operation.LinkBlob(digest, upload.Length, upload.Id)]), cancellationToken);
        recent.Note(digest, Name);
        return new Answer<Digest>.Found(digest, Provenance.Local);
    });

    /// <summary>
    /// Links a blob from another repository, which the asker sees as <paramref name="there"/>. False means "open an upload session
    /// instead", for whatever reason: the asker learns nothing of repositories that he may not pull from.
    /// </summary>
    public async ValueTask<bool> MountAsync(Digest digest, Repository from, Asker there, CancellationToken cancellationToken)
    {
        if (!takesPushes || !there.MayPull) return false;
        try
        {
            var opened = await from.OpenBlobAsync(there, digest, BlobUse.Head, cancellationToken);
            if (opened is not Answer<IContent>.Found { Value: var content }) return false;
            await content.DisposeAsync();
            if (volume.FindContent(digest) is not { } size) return false;
            await backing.CommitAsync(new([new Operation.LinkBlob(digest, size)]), cancellationToken);
            recent.Note(digest, Name);
            return true;
        }
        catch (IOException)
        {
            // The volume takes no writes, or the content has just been evicted: an upload says the first, and mends the second.
            return false;
        }
    }

    /// <summary>Tags after <paramref name="last"/>, at most <paramref name="count"/>.</summary>
    public async ValueTask<Answer<Page<TagName>>> TagsAsync(Asker asker, string? last, int count, CancellationToken cancellationToken) =>
        !asker.MayPull ? new Answer<Page<TagName>>.Absent(Provenance.Local)
        : await backing.TagsAfterAsync(last, count, cancellationToken) switch
        {
            Result<Page<TagName>>.Found found => new Answer<Page<TagName>>.Found(found.Value, found.Provenance),
            Result<Page<TagName>>.Unavailable no => new Answer<Page<TagName>>.Unavailable(no.RetryAfter, no.Why, no.Provenance),
            var no => new Answer<Page<TagName>>.Absent(no.Provenance),
        };

    /// <summary>
    /// Referrers of a subject after <paramref name="last"/> (a digest), of one artifact type where one is given; found and empty for an
    /// unknown subject.
    /// </summary>
    public async ValueTask<Answer<ReferrersPage>> ReferrersAsync(
        Asker asker, Digest subject, string? artifactType, string? last, CancellationToken cancellationToken) =>
        !asker.MayPull ? new Answer<ReferrersPage>.Absent(Provenance.Local)
        : await backing.ReferrersAsync(subject, cancellationToken) switch
        {
            Result<IReadOnlyList<Descriptor>>.Found found =>
                new Answer<ReferrersPage>.Found(ReferrersPage.Cut(found.Value, artifactType, last), found.Provenance),
            Result<IReadOnlyList<Descriptor>>.Unavailable no => new Answer<ReferrersPage>.Unavailable(no.RetryAfter, no.Why, no.Provenance),
            // The upstream refused this client: he must not take that for "none".
            { Provenance: { ForwardStatus: not null } refused } => new Answer<ReferrersPage>.Absent(refused),
            var no => new Answer<ReferrersPage>.Found(new([], false), no.Provenance),
        };

    /// <summary>
    /// The rights are asked at the door already; here no handler can forget to (CVE-2026-41888: a switch that one verb did not ask).
    /// </summary>
    private Answer<T>? RefuseChange<T>(Asker asker, AccessActions needs)
    {
        if (!takesPushes) return NoPushes<T>();
        return asker.Rights.HasFlag(needs)
            ? null
            : new Answer<T>.Invalid(RegistryErrorCode.DENIED, $"{asker.Actor} may not {needs} in {Name}");
    }

    private Answer<T> NoPushes<T>() => new Answer<T>.Invalid(
        RegistryErrorCode.UNSUPPORTED,
        $"{Name} is pulled through from an upstream and takes no pushes; push to a repository of built-in storage", Status: 405);

    /// <summary>A write that the volume cannot take now is a push to try again later.</summary>
    private static async ValueTask<Answer<T>> WriteAsync<T>(Func<ValueTask<Answer<T>>> write)
    {
        try
        {
            return await write();
        }
        catch (StoreReadOnlyException e)
        {
            return new Answer<T>.Unavailable(TimeSpan.FromSeconds(RetrySeconds), e.Message, Provenance.Local);
        }
    }

    /// <summary>
    /// When a push that found the volume full is worth another try: clients give up after a few, and an operator needs longer than that
    /// anyway.
    /// </summary>
    private const int RetrySeconds = 10;
}
