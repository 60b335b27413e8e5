using System.Globalization;

namespace Gateway.Replicas;

/// <summary>
/// What Redis holds under the lease of a digest: which replica fetches the content, or has it. As text: <c>fence id url</c>, and
/// <c>has</c> behind it for a note.
/// </summary>
/// <param name="Fence">Rises with each lease, so that no two leases of a replica are equal.</param>
/// <param name="Id">The replica's process, in hexadecimal.</param>
/// <param name="Url">Its address for the other replicas.</param>
/// <param name="IsNote">Whether the replica has the content, and no longer fetches it.</param>
internal sealed record LeaseValue(long Fence, string Id, Uri Url, bool IsNote = false)
{
    /// <summary>The same replica's note that it has the content.</summary>
    public LeaseValue Note => this with { IsNote = true };

    /// <summary>Reads the text; null if it is none, such as that of a later version.</summary>
    public static LeaseValue? Parse(string? text)
    {
        if (text?.Split(' ') is not [var fence, var id, var url, .. { Length: <= 1 } rest] || rest is [not "has"]) return null;
        return long.TryParse(fence, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && Uri.TryCreate(url, UriKind.Absolute, out var address)
                ? new(number, id, address, IsNote: rest.Length == 1)
                : null;
    }

    /// <summary>The text without the fence.</summary>
    public string Unfenced => $"{Id} {Url.GetLeftPart(UriPartial.Authority)}{(IsNote ? " has" : "")}";

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Fence} {Unfenced}");
}
