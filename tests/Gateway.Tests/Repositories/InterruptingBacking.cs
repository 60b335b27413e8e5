using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Gateway.Storage;

namespace Gateway.Tests.Repositories;

/// <summary>A backing that runs an interruption once, before its nth call: between any two reads or writes of the gate.</summary>
[SuppressMessage("Performance", "CA1852:Seal internal types", Justification = "DispatchProxy.Create derives from it.")]
internal class InterruptingBacking : DispatchProxy
{
    private IBacking _inner = null!;
    private int _moment;
    private int _calls;
    private Func<Task> _interruption = null!;

    /// <summary>The call that was interrupted, by the name of its method; null when there were not that many calls.</summary>
    public string? Interrupted { get; private set; }

    public static (IBacking Backing, InterruptingBacking Interruption) Of(IBacking inner, int moment, Func<Task> interruption)
    {
        var backing = Create<IBacking, InterruptingBacking>();
        var proxy = (InterruptingBacking)backing;
        (proxy._inner, proxy._moment, proxy._interruption) = (inner, moment, interruption);
        return (backing, proxy);
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (Interlocked.Increment(ref _calls) == _moment)
        {
            Interrupted = targetMethod!.Name;
            Task.Run(_interruption).GetAwaiter().GetResult();
        }
        return targetMethod!.Invoke(_inner, BindingFlags.DoNotWrapExceptions, null, args, null);
    }
}
