using Gateway.Operations.ReadModels;
using Gateway.WebConsole.Pages;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>The pages of the console, for a person who was let in: on the operator port and on the listeners alike.</summary>
internal sealed class ConsoleSite(Html html, RepositoryPages repositories, TagPages tags, ImagePages images, ConsoleActions actions)
{
    /// <summary>The paths of the pages, and of their files.</summary>
    public static bool Has(string path) =>
        path is "/" or "/repositories" or "/tags" or "/image" || ConsoleActions.Has(path)
        || path.StartsWith("/assets/", StringComparison.Ordinal);

    /// <summary>Answers a request.</summary>
    /// <param name="path">The path without the base of the console.</param>
    public async Task AnswerAsync(HttpContext context, Visitor visitor, string path)
    {
        Protect(context.Response.Headers);
        if (HttpMethods.IsPost(context.Request.Method) && ConsoleActions.Has(path))
        {
            await actions.AnswerAsync(context, visitor, path);
            return;
        }
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            await MessageAsync(context, visitor.Visit, Status405MethodNotAllowed, "Not supported", "This page can only be read.");
            return;
        }
        await (path switch
        {
            "/" or "/repositories" => RepositoriesAsync(context, visitor),
            "/tags" => TagsAsync(context, visitor),
            "/image" => ImageAsync(context, visitor),
            _ => AbsentAsync(context, visitor.Visit),
        });
    }

    /// <summary>Headers of every answer: nothing from elsewhere is loaded, and nothing within the page is run.</summary>
    public static void Protect(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
            + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private async Task RepositoriesAsync(HttpContext context, Visitor visitor)
    {
        var asked = PageQueries.Repositories(context.Request.Query);
        var page = await repositories.ReadAsync(visitor.Viewer, asked, context.RequestAborted);
        await WriteAsync(context, Status200OK, await html.RenderAsync<RepositoryList>(
            (nameof(RepositoryList.Visit), visitor.Visit), (nameof(RepositoryList.Asked), asked), (nameof(RepositoryList.Page), page)));
    }

    private async Task TagsAsync(HttpContext context, Visitor visitor)
    {
        var asked = PageQueries.Tags(context.Request.Query);
        if (await tags.ReadAsync(visitor.Viewer, asked, context.RequestAborted) is not { } page)
        {
            await AbsentAsync(context, visitor.Visit);
            return;
        }
        await WriteAsync(context, Status200OK, await html.RenderAsync<TagList>(
            (nameof(TagList.Visit), visitor.Visit), (nameof(TagList.Asked), asked), (nameof(TagList.Page), page),
            (nameof(TagList.Tool), ToolOf(context))));
    }

    private async Task ImageAsync(HttpContext context, Visitor visitor)
    {
        var query = context.Request.Query;
        var (repository, reference) = (PageQueries.Text(query, "repository") ?? "", PageQueries.Text(query, "reference") ?? "");
        if (await images.ReadAsync(visitor.Viewer, repository, reference, context.RequestAborted) is not { } page)
        {
            await AbsentAsync(context, visitor.Visit);
            return;
        }
        await WriteAsync(context, Status200OK, await html.RenderAsync<ImageDetails>(
            (nameof(ImageDetails.Visit), visitor.Visit), (nameof(ImageDetails.Page), page), (nameof(ImageDetails.Tool), ToolOf(context))));
    }

    private static string ToolOf(HttpContext context) => PullCommands.ToolOf(PageQueries.Text(context.Request.Query, "tool"));

    private Task AbsentAsync(HttpContext context, Visit visit) => MessageAsync(
        context, visit, Status404NotFound, "Not found", "There is no such page, or nothing here that you may see.");

    private async Task MessageAsync(HttpContext context, Visit visit, int status, string title, string text) =>
        await WriteAsync(context, status, await html.RenderAsync<MessageDetails>(
            (nameof(MessageDetails.Visit), visit), (nameof(MessageDetails.Title), title), (nameof(MessageDetails.Text), text)));

    /// <summary>Writes a page. Nothing keeps it, because it may show what only this person may see.</summary>
    public static async Task WriteAsync(HttpContext context, int status, string page)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(page);
        var response = context.Response;
        (response.StatusCode, response.ContentType, response.ContentLength) = (status, "text/html; charset=utf-8", bytes.Length);
        response.Headers.CacheControl = "no-store";
        if (!HttpMethods.IsHead(context.Request.Method)) await response.BodyWriter.WriteAsync(bytes, context.RequestAborted);
    }
}
