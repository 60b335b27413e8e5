using Gateway.Oci;
using Gateway.Policy.Media;

namespace Gateway.Policy;

/// <summary>What is known of a blob's bytes, for the requirements that look at them.</summary>
internal static class Contents
{
    /// <summary>
    /// How long a verdict holds that was given without all the bytes. Chosen: a pull brings the layers within a minute or so, and asking
    /// again costs little.
    /// </summary>
    public static readonly TimeSpan AskedAgainAfter = TimeSpan.FromMinutes(1);

    /// <summary>What the bytes are; null when they are not here. What could not be read is a finding, and may be read later.</summary>
    /// <param name="hearing">Where it is asked.</param>
    /// <param name="blob">The blob.</param>
    /// <param name="whateverItClaims">Whether it matters also where the media type claims nothing that could be looked at.</param>
    public static Content? Of(Hearing hearing, Descriptor blob, bool whateverItClaims = false)
    {
        var isKnown = hearing.Input.Facts.Contents.TryGetValue(blob.Digest, out var content);
        if (isKnown && !content!.IsUnread) return content;
        if ((whateverItClaims || MediaClaims.IsAny(blob.MediaType)) && blob.Urls.IsEmpty)
            hearing.ChangesAt(hearing.Input.Now + AskedAgainAfter);
        if (isKnown)
            hearing.Findings.Add(new(
                content!.IsLater ? ReasonCodes.ContentUnavailable : ReasonCodes.MediaOpaque,
                $"{blob.Digest.ToString()[..19]} ({blob.MediaType}) {content.Flaw}", "try again in a minute")
            {
                Unknown = content.IsLater ? $"{blob.Digest} {content.Flaw}" : null,
                Path = blob.Digest.ToString(), Expected = "content that has been looked through", Found = blob.MediaType,
            });
        return content;
    }
}
