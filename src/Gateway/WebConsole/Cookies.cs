namespace Gateway.WebConsole;

/// <summary>The cookie of a session: for this host and path alone, out of reach of scripts, and never sent from another site.</summary>
internal static class Cookies
{
    /// <summary>Sets the cookie, or removes it when the id is null.</summary>
    /// <param name="name">A name of <see cref="Gateway.Access.SessionCookies"/>.</param>
    /// <param name="path">The base of the console.</param>
    /// <param name="isSecure">Whether the browser reaches the console over https.</param>
    public static void Write(HttpResponse response, string name, string? id, string path, bool isSecure)
    {
        var options = new CookieOptions
        {
            HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = isSecure, Path = path.Length == 0 ? "/" : path,
        };
        if (id is null) response.Cookies.Delete(name, options);
        else response.Cookies.Append(name, id, options);
    }
}
