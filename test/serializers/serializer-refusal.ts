import { ValidationError } from '../../lib/protocol/errors.js';

/** What is told to the client whose input is refused. */
export async function refusal(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ValidationError) return error.detail;
    throw error;
  }
  throw new Error('The input was accepted.');
}
