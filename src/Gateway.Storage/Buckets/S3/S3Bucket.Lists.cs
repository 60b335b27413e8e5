using System.Runtime.CompilerServices;
using Amazon.S3.Model;

namespace Gateway.Storage;

/// <summary>Lists, page by page.</summary>
internal sealed partial class S3Bucket
{
    // Keys of one page of a list: the most that S3 answers with.
    private const int Page = 1000;

    /// <exception cref="BucketException">Also when the store does not go on after a page, as some do that know lists of S3's first version
    /// only: the same page would come again without end.</exception>
    public async IAsyncEnumerable<ListedObject> ListAsync(
        string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? token = null;
        for (var last = after; ;)
        {
            var from = token is null ? last : null;
            var request = new ListObjectsV2Request
            {
                BucketName = _options.Bucket,
                Prefix = prefix,
                StartAfter = from,
                ContinuationToken = token,
                MaxKeys = Page,
            };
            var answer = await CallAsync(
                S3Operation.List, prefix, mayRepeat: true, AnswerLimit,
                (client, ending) => client.ListObjectsV2Async(request, ending), cancellationToken);
            var isFurther = false;
            foreach (var found in answer.S3Objects ?? [])
            {
                // Keys are ASCII, so that the order of characters is that of bytes.
                if (from is not null && string.CompareOrdinal(found.Key, from) <= 0) continue;
                (last, isFurther) = (found.Key, true);
                yield return new(found.Key, new(found.ETag, found.Size ?? 0, TimeOf(found.LastModified)));
            }
            if (answer.IsTruncated != true) yield break;
            // Ceph and others have omitted it; then the list goes on after its last key.
            var next = string.IsNullOrEmpty(answer.NextContinuationToken) ? null : answer.NextContinuationToken;
            if (!isFurther && (next is null || next == token))
                throw new BucketException(
                    _options.Name, $"list {prefix}: expected a page after {last ?? "its beginning"}, got the same page again",
                    "use a store with lists of S3's second version (ListObjectsV2)", null, "");
            token = next;
        }
    }
}
