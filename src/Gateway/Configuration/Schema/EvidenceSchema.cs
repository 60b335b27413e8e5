using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Configuration;

/// <summary>What a rule requires of signatures and attestations.</summary>
internal static class EvidenceSchema
{
    private static readonly Section<IndexCoverage> Coverage = new(() => IndexCoverage.Either)
    {
        {
            "index",
            Scalars.OneOf(
                ("either", IndexCoverage.Either),
                ("index", IndexCoverage.Index),
                ("children", IndexCoverage.Children),
                ("both", IndexCoverage.Both)),
            "either", "For an index: the index itself, each of its images, either, or both.", (_, v) => v
        },
    };

    private static Scalar<int> Signers => Scalars.Whole(1, 16);

    private static readonly SettingType<string> Path = new Converted<string, string>(
        Scalars.Text,
        static text => PredicatePath.Parse(text) is not null
            ? text
            : Parsed<string>.Not($"expected a path such as $.builder.id, got '{text}'"));

    public static readonly Section<SignatureRequirementOptions> Signature = new(() => new(""))
    {
        {
            "authority", Scalars.Text, new Required(), "Required signer: one of `policy.trust.authorities`.",
            (o, v) => o with { Authority = v }
        },
        { "atLeast", Signers, "1", "How many different signers of it.", (o, v) => o with { AtLeast = v } },
        {
            "formats",
            new ListOf<SignatureFormat>(Scalars.OneOf(
                ("legacy", SignatureFormat.Legacy),
                ("bundle", SignatureFormat.Bundle),
                ("referrer-legacy", SignatureFormat.ReferrerLegacy),
                ("notation", SignatureFormat.Notation))),
            "(all)", "Signature formats that count.", (o, v) => o with { Formats = v }
        },
        {
            "bindReference",
            Scalars.OneOf(("ignore", BindReference.Ignore), ("optional", BindReference.Optional), ("required", BindReference.Required)),
            "ignore",
            "Whether the signature must be for this repository: `optional`: if it names a repository; `required`: always.",
            (o, v) => o with { BindReference = v }
        },
        { "coverage", Coverage, "{ index: either }", "Which manifests must be signed.", (o, v) => o with { Coverage = v } },
    };

    public static readonly Section<AttestationRequirementOptions> Attestation = new(() => new("", ""))
    {
        { "predicateType", Scalars.Text, new Required(), "The exact type of the statement.", (o, v) => o with { PredicateType = v } },
        { "authority", Scalars.Text, new Required(), "Required signer of the statement.", (o, v) => o with { Authority = v } },
        { "atLeast", Signers, "1", "How many different signers of it.", (o, v) => o with { AtLeast = v } },
        {
            "where", new MapOf<TextCondition>(Path, RequireSchema.Condition), "{}",
            "Conditions on one attestation, by paths into its predicate.",
            (o, v) => o with { Where = [.. v.Select(static e => new PredicateCondition(e.Key, e.Value))] }
        },
        { "coverage", Coverage, "{ index: either }", "Which manifests must be attested.", (o, v) => o with { Coverage = v } },
    };
}
