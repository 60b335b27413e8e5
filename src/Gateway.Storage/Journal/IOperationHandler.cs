namespace Gateway.Storage;

/// <summary>One method for each operation, for code that does something else with each of them.</summary>
/// <typeparam name="TResult">What each method returns.</typeparam>
/// <typeparam name="TContext">The handler's other input besides the operation.</typeparam>
public interface IOperationHandler<in TContext, out TResult>
{
    /// <summary>Handles <see cref="Operation.StoreManifest"/>.</summary>
    TResult StoreManifest(Operation.StoreManifest operation, TContext context);

    /// <summary>Handles <see cref="Operation.LinkBlob"/>.</summary>
    TResult LinkBlob(Operation.LinkBlob operation, TContext context);

    /// <summary>Handles <see cref="Operation.SetLive"/>.</summary>
    TResult SetLive(Operation.SetLive operation, TContext context);

    /// <summary>Handles <see cref="Operation.Hold"/>.</summary>
    TResult Hold(Operation.Hold operation, TContext context);

    /// <summary>Handles <see cref="Operation.EndHold"/>.</summary>
    TResult EndHold(Operation.EndHold operation, TContext context);

    /// <summary>Handles <see cref="Operation.Release"/>.</summary>
    TResult Release(Operation.Release operation, TContext context);

    /// <summary>Handles <see cref="Operation.Forward"/>.</summary>
    TResult Forward(Operation.Forward operation, TContext context);

    /// <summary>Handles <see cref="Operation.Forwarded"/>.</summary>
    TResult Forwarded(Operation.Forwarded operation, TContext context);

    /// <summary>Handles <see cref="Operation.SetVerdict"/>.</summary>
    TResult SetVerdict(Operation.SetVerdict operation, TContext context);

    /// <summary>Handles <see cref="Operation.AddReferrer"/>.</summary>
    TResult AddReferrer(Operation.AddReferrer operation, TContext context);

    /// <summary>Handles <see cref="Operation.StoreListed"/>.</summary>
    TResult StoreListed(Operation.StoreListed operation, TContext context);

    /// <summary>Handles <see cref="Operation.AddEvidence"/>.</summary>
    TResult AddEvidence(Operation.AddEvidence operation, TContext context);

    /// <summary>Handles <see cref="Operation.Seen"/>.</summary>
    TResult Seen(Operation.Seen operation, TContext context);

    /// <summary>Handles <see cref="Operation.Validated"/>.</summary>
    TResult Validated(Operation.Validated operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveTag"/>.</summary>
    TResult RemoveTag(Operation.RemoveTag operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveManifest"/>.</summary>
    TResult RemoveManifest(Operation.RemoveManifest operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveEvidence"/>.</summary>
    TResult RemoveEvidence(Operation.RemoveEvidence operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveListed"/>.</summary>
    TResult RemoveListed(Operation.RemoveListed operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveAllEvidence"/>.</summary>
    TResult RemoveAllEvidence(Operation.RemoveAllEvidence operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveEmpty"/>.</summary>
    TResult RemoveEmpty(Operation.RemoveEmpty operation, TContext context);

    /// <summary>Handles <see cref="Operation.RemoveBlob"/>.</summary>
    TResult RemoveBlob(Operation.RemoveBlob operation, TContext context);
}
