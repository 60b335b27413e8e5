namespace Gateway.Access;

/// <summary>
/// The names of the cookies that hold a session of the console. Browsers ignore the port of a cookie (RFC 6265, 8.5), so the operator port
/// and the listeners need different names.
/// </summary>
internal static class SessionCookies
{
    /// <summary>A session on the operator port.</summary>
    public const string Operator = "gateway-operator";

    /// <summary>A session on a listener.</summary>
    public const string Listener = "gateway-console";

    /// <summary>Whether a cookie with this name belongs to the gateway. Applications behind the gateway neither read nor set it.</summary>
    public static bool IsOwn(ReadOnlySpan<char> name) => name is Operator or Listener;
}
