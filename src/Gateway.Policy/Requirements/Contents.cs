using Gateway.Policy.Media;

namespace Gateway.Policy;

/// <summary>What is known about a blob's bytes, for the requirements that check them.</summary>
internal static class Contents
{
    /// <summary>
    /// Validity of a verdict that was given without all the bytes. Chosen: a pull fetches the layers within about a minute, and another
    /// evaluation costs little.
    /// </summary>
    public static readonly TimeSpan AskedAgainAfter = TimeSpan.FromMinutes(1);

    /// <summary>
    /// What the bytes are; null when they are not stored. Unreadable bytes become a finding, and can become readable later.
    /// </summary>
    /// <param name="whateverItClaims">Whether the bytes matter even if the media type claims nothing that can be checked.</param>
    public static Content? Of(Evaluation evaluation, Descriptor blob, bool whateverItClaims = false)
    {
        var isKnown = evaluation.Input.Facts.Contents.TryGetValue(blob.Digest, out var content);
        if (isKnown && !content!.IsUnread) return content;
        if ((whateverItClaims || MediaClaims.IsAny(blob.MediaType)) && blob.Urls.IsEmpty)
            evaluation.ChangesAt(evaluation.Input.Now + AskedAgainAfter);
        if (isKnown)
            evaluation.Findings.Add(new(
                content!.IsLater ? ReasonCodes.ContentUnavailable : ReasonCodes.MediaOpaque,
                $"{blob.Digest.ToString()[..19]} ({blob.MediaType}) {content.Flaw}", "try again in a minute")
            {
                Unknown = content.IsLater ? $"{blob.Digest} {content.Flaw}" : null,
                Path = blob.Digest.ToString(), Expected = "content that has been looked through", Found = blob.MediaType,
            });
        return content;
    }
}
