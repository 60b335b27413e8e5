using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace Gateway.WebConsole;

/// <summary>The fields of a form that a page sent.</summary>
/// <param name="Fields">The values by name.</param>
internal sealed record Form(IReadOnlyDictionary<string, StringValues> Fields)
{
    // A form has at most as many tags as a page, of 128 characters each, each with its digest of about 70.
    internal const int MostBytes = 64 << 10;

    /// <summary>Most bytes of a form with a policy: 256 KiB of YAML, of which every second character is escaped.</summary>
    public const int MostOfPolicy = 512 << 10;

    /// <summary>A value; empty when it is missing.</summary>
    public string this[string name] => Fields.GetValueOrDefault(name).ToString();

    public IEnumerable<string> All(string name) => Fields.GetValueOrDefault(name).OfType<string>();

    /// <summary>Whether the form has the token that the page got: no other site can read it.</summary>
    public bool IsOf(string csrf) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(this["csrf"]), Encoding.UTF8.GetBytes(csrf));

    /// <summary>Reads a form; null for a body of another type, and for one that is too long.</summary>
    /// <param name="most">Most bytes.</param>
    public static async Task<Form?> ReadAsync(
        HttpRequest request, CancellationToken cancellationToken, int most = MostBytes)
    {
        var type = request.ContentType?.Split(';')[0].Trim();
        if (!"application/x-www-form-urlencoded".Equals(type, StringComparison.OrdinalIgnoreCase)) return null;
        var body = new byte[most + 1];
        var length = await request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken);
        if (length > most) return null;
        try
        {
            using var reader = new FormReader(Encoding.UTF8.GetString(body, 0, length)) { ValueLengthLimit = most };
            return new(reader.ReadForm());
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }
}
