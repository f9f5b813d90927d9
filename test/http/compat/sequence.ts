import { dispatch } from 'express-channels';

import type { DispatchRequest, DispatchResponse } from '../../../lib/http/dispatch.js';
import type { Handler } from '../../../lib/http/handler.js';
import { comparable, serve } from '../answers.js';

type Answer = ReturnType<typeof comparable>;

/**
 * Sends the same requests, one after the other and with a client's cookies, to two fresh instances of an application: to one by HTTP
 * and to the other by dispatch. All answers must agree.
 *
 * @param mask - takes out of an answer what is random
 * @returns the answers, for further expectations
 */
export async function agree(
  build: () => Handler,
  requests: readonly DispatchRequest[],
  mask: (answer: Answer) => unknown = (answer) => answer,
): Promise<Answer[]> {
  const server = await serve(build());
  const byHttp = await converse((request) => server.ask(request), requests).finally(() => server.close());
  const handler = build();
  const byDispatch = await converse((request) => dispatch(handler, request), requests);
  expect(byDispatch.map(mask)).toEqual(byHttp.map(mask));
  return byDispatch;
}

async function converse(
  ask: (request: DispatchRequest) => Promise<DispatchResponse>,
  requests: readonly DispatchRequest[],
): Promise<Answer[]> {
  const cookies = new Map<string, string>();
  const answers: Answer[] = [];
  for (const request of requests) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { Connection: 'keep-alive', ...(cookie !== '' && { Cookie: cookie }), ...request.headers };
    const answer = await ask({ ...request, headers });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    answers.push(comparable(answer));
  }
  return answers;
}

/** Takes the values and times out of cookies, where they are random. */
export function maskCookies(answer: Answer): Answer {
  const cookies = answer.headers['set-cookie'];
  if (cookies === undefined) return answer;
  const masked = cookies.map((line) => line.replace(/=[^;]*/, '=…').replace(/expires=[^;]*/i, 'expires=…'));
  return { ...answer, headers: { ...answer.headers, 'set-cookie': masked } };
}

/** A form as the body of a POST. */
export function form(url: string, fields: Record<string, string>): DispatchRequest {
  return {
    method: 'POST',
    url,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  };
}

/** JSON as the body of a request. */
export function json(method: string, url: string, data: unknown): DispatchRequest {
  return { method, url, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(data) };
}
