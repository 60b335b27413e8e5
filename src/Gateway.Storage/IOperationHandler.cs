namespace Gateway.Storage;

/// <summary>One method for each operation.</summary>
/// <typeparam name="TResult">What each method returns.</typeparam>
/// <typeparam name="TContext">The handler's other input besides the operation.</typeparam>
internal interface IOperationHandler<in TContext, out TResult>
{
    TResult StoreManifest(Operation.StoreManifest operation, TContext context);

    TResult LinkBlob(Operation.LinkBlob operation, TContext context);

    TResult SetLive(Operation.SetLive operation, TContext context);

    TResult Hold(Operation.Hold operation, TContext context);

    TResult EndHold(Operation.EndHold operation, TContext context);

    TResult Forward(Operation.Forward operation, TContext context);

    TResult Forwarded(Operation.Forwarded operation, TContext context);

    TResult SetVerdict(Operation.SetVerdict operation, TContext context);

    TResult AddReferrer(Operation.AddReferrer operation, TContext context);

    TResult StoreListed(Operation.StoreListed operation, TContext context);

    TResult AddEvidence(Operation.AddEvidence operation, TContext context);

    TResult Seen(Operation.Seen operation, TContext context);

    TResult Validated(Operation.Validated operation, TContext context);

    TResult RemoveTag(Operation.RemoveTag operation, TContext context);

    TResult RemoveManifest(Operation.RemoveManifest operation, TContext context);

    TResult RemoveEvidence(Operation.RemoveEvidence operation, TContext context);

    TResult RemoveListed(Operation.RemoveListed operation, TContext context);

    TResult RemoveAllEvidence(Operation.RemoveAllEvidence operation, TContext context);

    TResult RemoveEmpty(Operation.RemoveEmpty operation, TContext context);

    TResult RemoveBlob(Operation.RemoveBlob operation, TContext context);
}
