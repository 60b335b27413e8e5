namespace Gateway.Commands.Clients;

/// <summary>A file on a client's machine.</summary>
/// <param name="Path">Its absolute path there; for files that a command is given, a relative one.</param>
/// <param name="Content">The whole file, with a line feed at the end.</param>
/// <param name="IsPart">Whether the client's own file has other settings too: the content must be merged into it.</param>
internal sealed record ClientFile(string Path, string Content, bool IsPart = false);

/// <summary>What <c>gateway client-config</c> prints for one client.</summary>
/// <param name="Files">In the order in which they are written.</param>
/// <param name="Notes">What the operator must know or do, one sentence each.</param>
internal sealed record ClientFiles(IReadOnlyList<ClientFile> Files, IReadOnlyList<string> Notes);
