import type { ErrorRequestHandler, NextFunction, Response } from 'express';

/** An error handler, which Express knows by its four parameters. */
export function onError(handle: (error: Error, res: Response, next: NextFunction) => void): ErrorRequestHandler {
  return (error: Error, _req, res, next) => {
    handle(error, res, next);
  };
}
