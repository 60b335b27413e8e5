namespace Gateway.Configuration;

/// <summary>Finds the probable meaning of an unknown key: a similar key, or the same key in another section.</summary>
internal static class MisplacedKey
{
    /// <summary>Keys with more places than this get no hint: <c>id</c> and <c>url</c> are everywhere.</summary>
    private const int MostPlaces = 3;

    /// <summary>Every known key with its sections, such as <c>maxSize</c> in <c>cache</c>.</summary>
    private static readonly Lazy<ILookup<string, string>> Places = new(() =>
        Walk(GatewaySchema.Root, "", depth: 8).ToLookup(place => place.Key, place => place.Section, StringComparer.Ordinal));

    /// <summary>A hint to append to a mistake, beginning with punctuation; empty for none.</summary>
    /// <param name="isTop">Whether the key is at the top level of the file.</param>
    /// <param name="siblings">The valid keys of this place.</param>
    public static string Hint(string key, bool isTop, IEnumerable<string> siblings)
    {
        if (NearestName.Hint(key, siblings) is { Length: > 0 } similar) return similar;
        var places = Places.Value[key].Distinct(StringComparer.Ordinal).ToArray();
        if (places.Length is > 0 and <= MostPlaces)
            return $"; it belongs under {string.Join(" or ", places)}: indent it below that key, or move it there";
        // Quay's settings are in capitals. The only such keys of the gateway are Quay's own.
        return isTop && key.Length > 3 && key.Contains('_') && !key.Any(char.IsAsciiLetterLower)
            ? "; it may be a setting of Quay; run: gateway policy import --quay FILE prints the policy section for Quay's config.yaml"
            : "";
    }

    private static IEnumerable<(string Key, string Section)> Walk(SettingType type, string section, int depth)
    {
        if (depth == 0) yield break;
        foreach (var setting in type.Settings)
        {
            if (section.Length > 0) yield return (setting.Name, section);
            foreach (var below in Walk(setting.Type, Reading.Join(section, setting.Name), depth - 1)) yield return below;
        }
        if (type.Item is { } item)
        {
            foreach (var below in Walk(item, section + "[]", depth - 1)) yield return below;
        }
        if (type.Value is { } value)
        {
            foreach (var below in Walk(value, section + ".<name>", depth - 1)) yield return below;
        }
    }
}
