import type { ErrorRequestHandler, RequestHandler } from 'express';
import { UniqueConstraintError } from 'sequelize';

/** A refusal with the status and the JSON body of its answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: object,
  ) {
    super(JSON.stringify(body));
  }
}

export const validationError = (problems: Record<string, string[]>) => new ApiError(400, problems);
export const authenticationFailed = () => new ApiError(401, { detail: 'Incorrect authentication credentials.' });
export const notAuthenticated = () => new ApiError(401, { detail: 'Authentication credentials were not provided.' });
export const permissionDenied = () => new ApiError(403, { detail: 'You do not have permission to perform this action.' });
export const notFound = () => new ApiError(404, { detail: 'Not found.' });

/** Answers errors as JSON. Each router has it as its last layer, so that it answers alike wherever it is mounted. */
export const answerErrors: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const { status, body } = toApiError(error);
  response.status(status).json(body);
};

export const answerNotFound: RequestHandler = () => {
  throw notFound();
};

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof UniqueConstraintError) {
    return validationError(
      Object.fromEntries(error.errors.map(({ path }) => [path ?? 'detail', ['This value is already in use.']])),
    );
  }
  // A body that is no JSON or too large, a path that cannot be decoded: Express and its body parser say so by a status.
  if (error instanceof Error && 'status' in error && typeof error.status === 'number' && error.status < 500) {
    return new ApiError(error.status, { detail: error.message });
  }
  console.error(error);
  return new ApiError(500, { detail: 'A server error occurred.' });
}
