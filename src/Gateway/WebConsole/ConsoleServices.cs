using Gateway.Operations;

namespace Gateway.WebConsole;

internal static class ConsoleServices
{
    /// <summary>Adds the pages of the operator port. They need the read models of <c>Operations</c>.</summary>
    public static IServiceCollection AddGatewayConsole(this IServiceCollection services) => services
        .AddSingleton<Html>().AddSingleton<Sessions>().AddSingleton<ListenerConsole>()
        .AddSingleton<ActionAnswers>().AddSingleton<UndoActions>().AddSingleton<ConsoleActions>().AddSingleton<LiveParts>()
        .AddSingleton<OperatorPages>().AddSingleton<ContentPages>().AddSingleton<ConsoleSite>()
        .AddSingleton<IOperatorPages, OperatorConsole>();
}
