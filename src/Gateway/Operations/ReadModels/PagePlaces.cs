using System.Security.Cryptography;
using BitFaster.Caching.Lru;

namespace Gateway.Operations.ReadModels;

/// <summary>
/// Where the next page of repositories begins. A page can end at a repository that the viewer does not see; its name must not be in the
/// link to the next page, so a random word is there in its place.
/// </summary>
internal sealed class PagePlaces
{
    // No repository's name begins with it.
    private const char Mark = '~';

    // Those of the latest pages, about 400 bytes each. One that was dropped leads to the first page.
    private const int Most = 1000;

    private readonly ConcurrentLru<string, string> _names = new(Most);

    /// <summary>A word that stands for a name.</summary>
    public string Hide(string name)
    {
        var word = Mark + RandomNumberGenerator.GetHexString(32, lowercase: true);
        _names.AddOrUpdate(word, name);
        return word;
    }

    /// <summary>The name that a question means: the text itself, or what a word stands for; null for a word that is not known.</summary>
    public string? Read(string? last) => last is not [Mark, ..] ? last : _names.TryGet(last, out var name) ? name : null;
}
