using System.Collections.Frozen;
using System.Security.Cryptography;

namespace Gateway.WebConsole;

/// <summary>The style, the script and the icon, served from the assembly.</summary>
internal static class Assets
{
    private static readonly FrozenDictionary<string, (string Type, byte[] Bytes, string Tag)> Files = new[]
    {
        Load("console.css", "text/css; charset=utf-8"), Load("console.js", "text/javascript; charset=utf-8"),
        Load("icon.svg", "image/svg+xml"),
    }.ToFrozenDictionary(static file => file.Name, static file => (file.Type, file.Bytes, file.Tag), StringComparer.Ordinal);

    /// <summary>Answers a request for one of them; false when there is no such file.</summary>
    public static async Task<bool> AnswerAsync(HttpContext context, string name)
    {
        if (!Files.TryGetValue(name, out var file)) return false;
        var headers = context.Response.Headers;
        // Always asked again, so that a new version of the gateway brings its own style with it.
        (headers.CacheControl, headers.ETag) = ("no-cache", file.Tag);
        if (context.Request.Headers.IfNoneMatch == file.Tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return true;
        }
        (context.Response.ContentType, context.Response.ContentLength) = (file.Type, file.Bytes.Length);
        if (!HttpMethods.IsHead(context.Request.Method)) await context.Response.BodyWriter.WriteAsync(file.Bytes, context.RequestAborted);
        return true;
    }

    private static (string Name, string Type, byte[] Bytes, string Tag) Load(string name, string type)
    {
        using var stream = typeof(Assets).Assembly.GetManifestResourceStream($"console/{name}")
            ?? throw new InvalidOperationException($"the program has no console/{name}");
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        var content = bytes.ToArray();
        return (name, type, content, $"\"{Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 8))}\"");
    }
}
