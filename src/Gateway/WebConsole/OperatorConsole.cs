using System.Security.Cryptography;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;

namespace Gateway.WebConsole;

/// <summary>The console on the operator port.</summary>
internal sealed class OperatorConsole(ConsoleSite site, ICurrent<RepositoryRouter> current, TimeProvider clock) : IOperatorPages
{
    // Pages of other sites cannot read it, so one for the process suffices where nobody logs in.
    private readonly string _csrf = RandomNumberGenerator.GetHexString(32, lowercase: true);

    /// <inheritdoc/>
    public bool Has(string path) => ConsoleSite.Has(path);

    /// <inheritdoc/>
    public async Task AnswerAsync(HttpContext context, bool isAdmitted)
    {
        var path = context.Request.Path.Value ?? "/";
        if (path.StartsWith("/assets/", StringComparison.Ordinal))
        {
            ConsoleSite.Protect(context.Response.Headers);
            if (await Assets.AnswerAsync(context, path["/assets/".Length..])) return;
        }
        if (!isAdmitted)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }
        await site.AnswerAsync(context, VisitorOf(context), path);
    }

    private Visitor VisitorOf(HttpContext context)
    {
        var options = current.Value.Options;
        var request = context.Request;
        var visit = new Visit("", RegistryOf(options, request.Host.Host), IsPlain(options), null, IsOperator: true, _csrf)
        {
            Api = $"{request.Scheme}://{request.Host}", Now = clock.GetUtcNow(),
        };
        return new(visit, Viewer.Operator);
    }

    // An address that means "any" is replaced by the name under which the operator reached this machine.
    private static string RegistryOf(GatewayOptions options, string host)
    {
        if (options.PublicUrl is { } url) return url.Authority;
        var listener = options.Listen[0];
        if (listener.Hosts.FirstOrDefault() is { } name) return $"{name}:{listener.Url.Port}";
        return listener.Url.Host is "0.0.0.0" or "[::]" ? $"{host}:{listener.Url.Port}" : listener.Url.Authority;
    }

    private static bool IsPlain(GatewayOptions options) => (options.PublicUrl ?? options.Listen[0].Url).Scheme == Uri.UriSchemeHttp;
}
