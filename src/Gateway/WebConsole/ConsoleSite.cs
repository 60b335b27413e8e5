using Gateway.Operations.ReadModels;
using Gateway.WebConsole.Pages;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>The pages of the console, for a person who was let in: on the operator port and on the listeners alike.</summary>
internal sealed class ConsoleSite(
    Html html, RepositoryPages repositories, TagPages tags, ImagePages images, HoldPages holds, ContentPages content, OperatorPages whole,
    ConsoleActions actions, LiveParts live, TimeProvider clock)
{
    /// <summary>The paths of the pages, and of their files.</summary>
    public static bool Has(string path) =>
        path is "/" or "/repositories" or "/tags" or "/image" or "/holds" or "/hold" || ContentPages.Has(path) || OperatorPages.Has(path)
        || ConsoleActions.Has(path)
        || path.StartsWith("/assets/", StringComparison.Ordinal) || path.StartsWith(LivePrefix, StringComparison.Ordinal);

    // Answers that go on: a part of a page, sent again whenever it changed.
    internal const string LivePrefix = "/live/";

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
            await WriteAsync(
                context, Status405MethodNotAllowed, await MessageAsync(visitor.Visit, "Not supported", "This page can only be read."));
            return;
        }
        if (path.StartsWith(LivePrefix, StringComparison.Ordinal))
        {
            var followed = path[(LivePrefix.Length - 1)..];
            var isSeen = LiveParts.Has(followed) && (visitor.Viewer.IsOperator || !OperatorPages.Has(followed));
            if (!isSeen || !HttpMethods.IsGet(context.Request.Method))
            {
                var (absent, text) = await AbsentAsync(visitor.Visit);
                await WriteAsync(context, absent, text);
                return;
            }
            await live.FollowAsync(context, visitor, () => visitor.IsStillIn()
                ? PageAsync(context, visitor with { Visit = visitor.Visit with { Now = clock.GetUtcNow() } }, followed)
                : Task.FromResult((Status401Unauthorized, "")));
            return;
        }
        var (status, page) = await PageAsync(context, visitor, path);
        await WriteAsync(context, status, page);
    }

    private Task<(int Status, string Page)> PageAsync(HttpContext context, Visitor visitor, string path) => path switch
    {
        "/repositories" => RepositoriesAsync(context, visitor),
        "/tags" => TagsAsync(context, visitor),
        "/image" => ImageAsync(context, visitor),
        _ when ContentPages.Has(path) => ContentAsync(context, visitor, path),
        "/holds" => HoldsAsync(context, visitor),
        "/hold" => HoldAsync(context, visitor),
        "/" when !visitor.Viewer.IsOperator => RepositoriesAsync(context, visitor),
        _ when visitor.Viewer.IsOperator && OperatorPages.Has(path) => whole.PageAsync(context, visitor, path),
        _ => AbsentAsync(visitor.Visit),
    };

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

    private async Task<(int, string)> RepositoriesAsync(HttpContext context, Visitor visitor)
    {
        var asked = PageQueries.Repositories(context.Request.Query);
        var page = await repositories.ReadAsync(visitor.Viewer, asked, context.RequestAborted);
        return await html.PageAsync<RepositoryList>(visitor.Visit, page, (nameof(RepositoryList.Asked), asked));
    }

    private async Task<(int, string)> TagsAsync(HttpContext context, Visitor visitor)
    {
        var asked = PageQueries.Tags(context.Request.Query);
        return await tags.ReadAsync(visitor.Viewer, asked, context.RequestAborted) is not { } page
            ? await AbsentAsync(visitor.Visit)
            : await html.PageAsync<TagList>(
                visitor.Visit, page, (nameof(TagList.Asked), asked), (nameof(TagList.Tool), ToolOf(context)));
    }

    private async Task<(int, string)> ImageAsync(HttpContext context, Visitor visitor)
    {
        var (repository, reference) = (Query(context, "repository") ?? "", Query(context, "reference") ?? "");
        return await images.ReadAsync(visitor.Viewer, repository, reference, context.RequestAborted) is not { } page
            ? await AbsentAsync(visitor.Visit)
            : await html.PageAsync<ImageDetails>(visitor.Visit, page, (nameof(ImageDetails.Tool), ToolOf(context)));
    }

    private async Task<(int, string)> ContentAsync(HttpContext context, Visitor visitor, string path) =>
        await content.PageAsync(context, visitor, path) ?? await AbsentAsync(visitor.Visit);

    private async Task<(int, string)> HoldsAsync(HttpContext context, Visitor visitor)
    {
        var (repository, last) = (Query(context, "repository"), Query(context, "last"));
        var page = await holds.ReadAsync(visitor.Viewer, repository, last, context.RequestAborted);
        return await html.PageAsync<HoldList>(
            visitor.Visit, page, (nameof(HoldList.Repository), repository), (nameof(HoldList.Last), last));
    }

    private async Task<(int, string)> HoldAsync(HttpContext context, Visitor visitor)
    {
        var (repository, tag) = (Query(context, "repository") ?? "", Query(context, "tag") ?? "");
        return await holds.FindAsync(visitor.Viewer, repository, tag, context.RequestAborted) is not { } row
            ? await AbsentAsync(visitor.Visit)
            : (Status200OK, await html.RenderAsync<HoldDetails>(
                (nameof(HoldDetails.Visit), visitor.Visit), (nameof(HoldDetails.Row), row)));
    }

    private static string? Query(HttpContext context, string name) => PageQueries.Text(context.Request.Query, name);

    private static string ToolOf(HttpContext context) => PullCommands.ToolOf(Query(context, "tool"));

    private async Task<(int, string)> AbsentAsync(Visit visit) => (Status404NotFound, await MessageAsync(
        visit, "Not found", "There is no such page, or nothing here that you may see."));

    private Task<string> MessageAsync(Visit visit, string title, string text) => html.RenderAsync<MessageDetails>(
        (nameof(MessageDetails.Visit), visit), (nameof(MessageDetails.Title), title), (nameof(MessageDetails.Text), text));

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
