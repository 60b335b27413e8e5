using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>Renders a component to text. Razor escapes every value, whatever a registry contains.</summary>
internal sealed class Html(IServiceProvider services, ILoggerFactory loggers)
{
    /// <summary>A page that shows the value of a read model: its parameters are <c>Visit</c>, <c>Page</c> and some of its own.</summary>
    public async Task<(int Status, string Page)> PageAsync<T>(Visit visit, object page, params (string Name, object? Value)[] own)
        where T : IComponent =>
        (Status200OK, await RenderAsync<T>([("Visit", visit), ("Page", page), .. own]));

    /// <summary>The HTML of a component with these parameters.</summary>
    public async Task<string> RenderAsync<T>(params (string Name, object? Value)[] parameters) where T : IComponent
    {
        await using var renderer = new HtmlRenderer(services, loggers);
        var view = ParameterView.FromDictionary(parameters.ToDictionary(static p => p.Name, static p => p.Value));
        return await renderer.Dispatcher.InvokeAsync(async () =>
        {
            var root = await renderer.RenderComponentAsync<T>(view);
            return root.ToHtmlString();
        });
    }
}
