using System.Net;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Registry;

/// <summary>One request and its response. Each step adds what it found, and handlers answer through it.</summary>
/// <param name="forwarded">What trusted proxies say about the request; null if that may be forged.</param>
internal sealed class Exchange(
    HttpContext context, ICurrent<Snapshot> current, AuditLog audit, Listener listener, RequestRecord record, Forwarded? forwarded,
    TimeProvider clock)
    : IRequestAuthorization
{
    private CacheHandling _handling = CacheHandling.Local;
    private Repository? _repository;
    private Caller? _caller;

    public HttpRequest Request { get; } = context.Request;

    public HttpResponse Response { get; } = context.Response;

    /// <summary>The configuration that the request began with, or was checked by again (<see cref="RegistryFace.WriteAsync"/>).</summary>
    public Snapshot Snapshot { get; private set; } = current.Value;

    public Listener Listener { get; } = listener;

    public RequestRecord Record { get; } = record;

    /// <summary>The audit log, which receives what the request changed.</summary>
    public AuditLog Audit { get; } = audit;

    public TimeProvider Clock { get; } = clock;

    public Target Target { get; set; } = Target.Invalid;

    public Identity Identity { get; set; } = Identity.Anonymous.Instance;

    /// <summary>What proved the identity when the request began (<see cref="AccessControl.ProofOf"/>).</summary>
    public string? Proof { get; set; }

    /// <summary>The credentials that the client sent for an upstream; null for none, and if credentials are for the gateway.</summary>
    public BasicCredentials? Shown { get; set; }

    /// <summary>The requested virtual host, without port, in lower case.</summary>
    public string Host { get; } = HostNames.Of(forwarded?.Host is { } host ? new HostString(host) : context.Request.Host);

    /// <summary>Whether the headers of proxies may be forged: they contradict each other, or a quote is never closed.</summary>
    public bool IsForwardingContradictory => forwarded is null;

    /// <summary>
    /// Host and port by which the client reaches this gateway: those of a trusted proxy, otherwise of <c>publicUrl</c>, otherwise of the
    /// Host header, and otherwise the address that the client connected to.
    /// </summary>
    public string Authority => forwarded?.Host ?? Snapshot.PublicAuthority ?? OwnAuthority;

    /// <summary>The address by which the client reaches this gateway, without a slash at its end.</summary>
    public string BaseUrl => $"{Scheme}://{Authority}";

    private string Scheme => forwarded?.Host is null && Snapshot.Options.PublicUrl is { } url
        ? url.Scheme
        : forwarded?.Scheme ?? Snapshot.Options.PublicUrl?.Scheme ?? Request.Scheme;

    private string OwnAuthority => Request.Host.Value is { Length: > 0 } host
        ? host
        : new IPEndPoint(context.Connection.LocalIpAddress ?? IPAddress.Loopback, context.Connection.LocalPort).ToString();

    /// <summary>Set before any handler of a repository's noun runs.</summary>
    public Repository Repository
    {
        get => _repository ?? throw new InvalidOperationException("this route names no repository");
        set => _repository = value;
    }

    public bool IsValid
    {
        get
        {
            try
            {
                return IsInForce && Snapshot.Access.StillKnows(Identity, Proof);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The gateway cannot see whether the account still exists, so it checks the account again where that is possible.
                return false;
            }
        }
    }

    public void Committed(long sequence) => Audit.Expect(Record, sequence);

    /// <summary>Continues with the configuration in force. The caller of this method checks the rights again.</summary>
    public void TakeCurrent() => Snapshot = current.Value;

    /// <summary>Whether the configuration of the request is still in force.</summary>
    public bool IsInForce => ReferenceEquals(Snapshot, current.Value);

    /// <summary>The client as a repository sees it, by the name that access rules use.</summary>
    public Caller CallerOf(Gateway.Oci.RepositoryName canonicalName) => Snapshot.Access.For(Identity, canonicalName, this);

    /// <summary>What is likely wrong if the repository is not found; null if there is nothing to add.</summary>
    public string? Hint { get; set; }

    /// <summary>Whether a repository was found.</summary>
    public bool IsRouted => _repository is not null;

    /// <summary>The canonical name of the repository; null when none was found.</summary>
    public string? CanonicalName => _repository?.Name.Value;

    /// <summary>Set with the repository.</summary>
    public Caller Caller
    {
        get => _caller ?? throw new InvalidOperationException("this route names no repository");
        set => _caller = value;
    }

    public IPAddress? RemoteAddress => context.Connection.RemoteIpAddress;

    public CancellationToken Aborted => context.RequestAborted;

    /// <summary>Methods are case-sensitive (RFC 9110 §9.1): the server sends a body to <c>head</c>.</summary>
    public bool IsHead => Request.Method == HttpMethods.Head;

    /// <summary>How the answer was obtained; written into the headers when the response begins.</summary>
    public CacheHandling Handling
    {
        get => _handling;
        set
        {
            _handling = value;
            Record.Cache = CacheStatus.ResultOf(value);
            (Record.Upstream, Record.UpstreamStatus) = (value.Upstream, value.UpstreamStatus);
        }
    }

    /// <summary>Applies what a found answer says besides its value.</summary>
    public void Note<T>(Answer<T>.Found found)
    {
        Handling = found.Handling;
        if (found.Standing is { } standing)
            Response.Headers[RegistryHeaders.GatewayTagState] = standing == TagStanding.Pending ? "pending" : "live";
        if (!found.Substituted.IsEmpty) Response.Headers[RegistryHeaders.GatewaySubstituted] = found.Substituted.ToString();
        if (found.Warning is null) return;
        Note(found.Warning);
        Warnings.Add(Response.Headers, found.Warning.Message);
    }

    /// <summary>Names the decision in the answer and in the log.</summary>
    public void Note(Decision decision)
    {
        Record.Decision = decision.Id;
        Record.Reason = decision.Verdict.Reasons.FirstOrDefault()?.Code;
        Response.Headers[RegistryHeaders.GatewayDecision] = decision.Id;
    }

    /// <summary>Breaks the connection (or the HTTP/2 stream), so that the client cannot mistake a part for the whole.</summary>
    public void Abort() => context.Abort();
}
