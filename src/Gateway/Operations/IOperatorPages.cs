namespace Gateway.Operations;

/// <summary>The pages of the operator port. The room above implements it.</summary>
internal interface IOperatorPages
{
    /// <summary>Whether a page, or a file of the pages, has this path.</summary>
    bool Has(string path);

    /// <summary>Answers a request for a path of the pages.</summary>
    /// <param name="isAdmitted">Whether the request may see the pages; otherwise only a person who has logged in may.</param>
    Task AnswerAsync(HttpContext context, bool isAdmitted);
}
