using System.Text.Json.Serialization.Metadata;

namespace Gateway.Operations;

/// <summary>A call of the admin API: what an endpoint answers, a command sends, and the OpenAPI document describes.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">Below <see cref="AdminApi.Prefix"/>; <c>{id}</c> stands for any segment.</param>
/// <param name="Summary">One line for the OpenAPI document.</param>
/// <param name="Answer">The answer, or each line of it.</param>
public abstract record AdminCall(string Method, string Path, string Summary, JsonTypeInfo Answer)
{
    /// <summary>The part of a path that stands for any segment.</summary>
    protected const string Id = "{id}";

    /// <summary>The parameters of the query.</summary>
    public string[] Query { get; init; } = [];

    /// <summary>The request's body; null for none.</summary>
    public virtual JsonTypeInfo? Body => null;

    /// <summary>Whether the answer is a line of JSON for each item.</summary>
    public bool HasLines { get; init; }

    /// <summary>The event in the audit log (<see cref="AuditEntry.Event"/>).</summary>
    public string Event { get; init; } = "admin";

    /// <summary>The path that a client requests.</summary>
    public string Address => AdminApi.Prefix + Path;

    /// <summary>The path of a call that may be this one, with its id replaced.</summary>
    internal static string WithoutId(string path) =>
        path.Split('/') is [var first, _, .. var rest] ? string.Join('/', [first, Id, .. rest]) : path;
}

/// <summary>A call that changes nothing.</summary>
internal sealed record AdminRead<T>(string Path, string Summary, JsonTypeInfo<T> Type) : AdminCall("GET", Path, Summary, Type)
{
    public AdminRead<T> Of(string id) => this with { Path = Path.Replace(Id, Uri.EscapeDataString(id), StringComparison.Ordinal) };

    /// <summary>The endpoint that reads one value.</summary>
    /// <param name="read">The value of a query; null, which is answered 404, if nothing that is stored is meant.</param>
    public AdminEndpoint By(Func<IQueryCollection, CancellationToken, ValueTask<T?>> read) => new(this, async context =>
        await (await read(context.Request.Query, context.RequestAborted) is { } value
            ? AdminApi.WriteAsync(context, StatusCodes.Status200OK, value, Type)
            : AdminApi.ProblemAsync(
                context, StatusCodes.Status404NotFound, "expected a repository and reference that are stored here, got others")));

    /// <summary>The endpoint that writes a line for each item.</summary>
    public AdminEndpoint By(Func<CancellationToken, IAsyncEnumerable<T>> list) =>
        new(this, context => AdminApi.WriteLinesAsync(context, list(context.RequestAborted), Type));
}

/// <summary>A call with a body; all but those that evaluate change something.</summary>
internal sealed record AdminWrite<TRequest, T>(string Path, string Summary, JsonTypeInfo<TRequest> Request, JsonTypeInfo<T> Type)
    : AdminCall("POST", Path, Summary, Type)
    where TRequest : class
{
    public override JsonTypeInfo Body => Request;

    public AdminWrite<TRequest, T> Of(string id) =>
        this with { Path = Path.Replace(Id, Uri.EscapeDataString(id), StringComparison.Ordinal) };

    /// <summary>The endpoint that carries out a request whose body could be read.</summary>
    public AdminEndpoint By(Func<HttpContext, TRequest, Task> carryOut) => new(this, async context =>
    {
        if (await AdminApi.ReadAsync(context, Request) is { } request) await carryOut(context, request);
    });
}

/// <summary>A call and what answers it.</summary>
internal sealed record AdminEndpoint(AdminCall Call, Func<HttpContext, Task> Answer);

/// <summary>The endpoints of one noun of the admin API.</summary>
internal interface IAdminNoun
{
    /// <summary>Each with another path.</summary>
    IEnumerable<AdminEndpoint> Endpoints { get; }
}
