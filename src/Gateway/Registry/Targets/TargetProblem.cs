using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Why a request target is refused: the error that the client gets.</summary>
internal sealed record TargetProblem(RegistryErrorCode Code, string Message, int Status = Status400BadRequest);
