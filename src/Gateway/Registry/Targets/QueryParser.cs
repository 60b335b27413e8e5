using System.Globalization;
using System.Text;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Reads a query: each known parameter at most once (but <c>tag</c>), percent-decoded exactly once, and of its own form.</summary>
internal static class QueryParser
{
    // Longest value: a repository name or an artifact type; RFC 6838 §4.2 limits a media type to 127 + 1 + 127 characters.
    private const int MaxValueLength = 255;

    /// <summary>Reads the part after the question mark. The problem is null exactly when it was read.</summary>
    public static (TargetQuery Query, TargetProblem? Problem) Parse(ReadOnlySpan<char> query)
    {
        var result = new TargetQuery();
        var seen = Parameters.None;
        foreach (var range in query.Split('&'))
        {
            var pair = query[range];
            var equals = pair.IndexOf('=');
            var name = equals < 0 ? pair : pair[..equals];
            var parameter = Find(name);
            if (parameter == Parameters.None) continue;
            if (seen.HasFlag(parameter) && parameter != Parameters.Tag) return (result, Bad(parameter, "is given more than once"));
            seen |= parameter;

            (result, var problem) = TryDecode(equals < 0 ? [] : pair[(equals + 1)..], out var value)
                ? Read(result, parameter, value)
                : (result, Bad(parameter, "is not percent-encoded UTF-8 text"));
            if (problem is not null) return (result, problem);
        }
        return (result, null);
    }

    [Flags]
    private enum Parameters
    {
        None = 0,
        Count = 1,
        Last = 2,
        Namespace = 4,
        Digest = 8,
        Mount = 16,
        From = 32,
        Tag = 64,
        ArtifactType = 128,
        Algorithm = 256,
    }

    private static Parameters Find(ReadOnlySpan<char> name) => name switch
    {
        "n" => Parameters.Count,
        "last" => Parameters.Last,
        "ns" => Parameters.Namespace,
        "digest" => Parameters.Digest,
        "mount" => Parameters.Mount,
        "from" => Parameters.From,
        "tag" => Parameters.Tag,
        "artifactType" => Parameters.ArtifactType,
        "digest-algorithm" => Parameters.Algorithm,
        _ => Parameters.None,
    };

    private static (TargetQuery Query, TargetProblem? Problem) Read(TargetQuery query, Parameters parameter, string value)
    {
        if (parameter == Parameters.Tag) return AddTag(query, value);
        var read = parameter switch
        {
            Parameters.Count => Paging.TryReadCount(value, out var count) ? query with { Count = count } : null,
            Parameters.Last => query with { Last = value },
            Parameters.Namespace => NamespaceKey.IsValid(value) ? query with { Namespace = value } : null,
            Parameters.Digest => Digest.TryParse(value, out var digest) ? query with { Digest = digest } : null,
            Parameters.Mount => Digest.TryParse(value, out var mount) ? query with { Mount = mount } : null,
            // A mount from where nothing can be is no mistake but an upload (distribution-spec, "Mounting a blob from another repository").
            Parameters.From => query with { From = RepositoryName.TryParse(value, out var from) ? from : default(RepositoryName) },
            // '+' is not read as a space: media types have plus signs and no spaces, and clients send them as they are.
            Parameters.ArtifactType => query with { ArtifactType = value.Length == 0 ? null : value },
            Parameters.Algorithm when value is "sha256" => query with { Algorithm = DigestAlgorithm.Sha256 },
            Parameters.Algorithm when value is "sha512" => query with { Algorithm = DigestAlgorithm.Sha512 },
            _ => null,
        };
        return read is null ? (query, Bad(parameter, Form(parameter))) : (read, null);
    }

    private static string Form(Parameters parameter) => parameter switch
    {
        Parameters.Count => "must be a whole number, zero or more",
        Parameters.Namespace => "must be a lower-case host[:port]",
        Parameters.Algorithm => "must be sha256 or sha512",
        _ => "must be a sha256 or sha512 digest",
    };

    private static (TargetQuery Query, TargetProblem? Problem) AddTag(TargetQuery query, string value)
    {
        if (!TagName.TryParse(value, out var tag)) return (query, Bad(Parameters.Tag, "is no tag"));
        if (query.Tags.Contains(tag)) return (query, null);
        if (query.Tags.Length < TargetQuery.MaxTags) return (query with { Tags = query.Tags.Add(tag) }, null);
        return (query, new(RegistryErrorCode.UNSUPPORTED, $"one push binds at most {TargetQuery.MaxTags} tags", Status414UriTooLong));
    }

    private static TargetProblem Bad(Parameters parameter, string what) => parameter switch
    {
        Parameters.Namespace => new(RegistryErrorCode.NAME_INVALID, $"ns {what}"),
        Parameters.From => new(RegistryErrorCode.NAME_INVALID, $"from {what}"),
        Parameters.Digest => new(RegistryErrorCode.DIGEST_INVALID, $"digest {what}"),
        Parameters.Mount => new(RegistryErrorCode.DIGEST_INVALID, $"mount {what}"),
        Parameters.Algorithm => new(RegistryErrorCode.DIGEST_INVALID, $"digest-algorithm {what}"),
        Parameters.Tag => new(RegistryErrorCode.TAG_INVALID, $"tag {what}"),
        Parameters.Count => new(RegistryErrorCode.UNSUPPORTED, $"n {what}"),
        Parameters.Last => new(RegistryErrorCode.UNSUPPORTED, $"last {what}"),
        _ => new(RegistryErrorCode.UNSUPPORTED, $"artifactType {what}"),
    };

    private static bool TryDecode(ReadOnlySpan<char> text, out string value)
    {
        value = "";
        if (text.Length > MaxValueLength * 3) return false;
        Span<byte> bytes = stackalloc byte[text.Length];
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '%')
            {
                if (i + 2 >= text.Length || !TryReadHex(text.Slice(i + 1, 2), out bytes[length])) return false;
                i += 2;
            }
            else
            {
                bytes[length] = (byte)c;
            }
            if (c > '~' || bytes[length] is < 0x20 or 0x7F) return false;
            length++;
        }
        return TryReadUtf8(bytes[..length], out value);
    }

    private static bool TryReadHex(ReadOnlySpan<char> digits, out byte value) =>
        byte.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);

    private static bool TryReadUtf8(ReadOnlySpan<byte> bytes, out string value)
    {
        var valid = System.Text.Unicode.Utf8.IsValid(bytes);
        value = valid ? Encoding.UTF8.GetString(bytes) : "";
        return valid && value.Length <= MaxValueLength;
    }
}
