using System.CommandLine;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary><c>gateway schema</c>: the schema of gateway.yaml, for editors and for people.</summary>
internal static class SchemaCommand
{
    public static Command Create()
    {
        var markdown = new Option<bool>("--markdown") { Description = "Print docs/configuration.md instead." };
        var command = new Command("schema", "Prints the JSON Schema (2020-12) of gateway.yaml.") { markdown };
        command.SetAction(async parsed =>
        {
            var text = parsed.GetValue(markdown) ? ReferencePage.Write() : SchemaDocument.Write();
            await parsed.InvocationConfiguration.Output.WriteAsync(text);
        });
        return command;
    }
}
