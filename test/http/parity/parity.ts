import { setImmediate } from 'node:timers/promises';

import type { DispatchRequest } from '../../../lib/http/dispatch.js';
import type { Handler } from '../../../lib/http/handler.js';
import { bothAnswers, type LoopbackServer, serve } from '../answers.js';

/** One request of a table: what it is about, what is sent, and the status that shows that it got where it should. */
export interface Case {
  readonly name: string;
  readonly request: DispatchRequest;
  readonly status: number | readonly number[];
}

/** A row of a table. @param status - the status that HTTP must answer with, so that no pair agrees on a 404 by accident; a list where the
 * versions of Express differ */
export function row(name: string, request: DispatchRequest | string, status: Case['status'] = 200): Case {
  return { name, request: typeof request === 'string' ? { url: request } : request, status };
}

/** Declares one test per row: the answer by HTTP on loopback and the answer by dispatch agree in full. */
export function parity(title: string, createHandler: () => Handler, cases: readonly Case[]): void {
  describe(title, () => {
    const handler = createHandler();
    let server: LoopbackServer;

    beforeAll(async () => {
      // Express prints errors that reach its last handler.
      jest.spyOn(console, 'error').mockImplementation(() => undefined);
      server = await serve(handler);
    });
    afterAll(async () => {
      // Express prints an error in a later turn of the event loop.
      await setImmediate();
      await server.close();
    });

    test.each(cases)('$name', async ({ request, status }) => {
      const { byHttp, byDispatch } = await bothAnswers(server, handler, request);
      expect(byDispatch).toEqual(byHttp);
      expect([status].flat()).toContain(byHttp.status);
    });
  });
}
