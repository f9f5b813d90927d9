import http, { type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';

import { dispatch } from 'express-channels';

import type { DispatchRequest, DispatchResponse } from '../../lib/http/dispatch.js';
import type { Handler } from '../../lib/http/handler.js';

/** A server on loopback, and how to ask it. */
export interface LoopbackServer {
  readonly port: number;
  ask(request: DispatchRequest): Promise<DispatchResponse>;
  close(): Promise<void>;
}

/** Serves a handler by HTTP as `http.createServer(handler)` does. */
export async function serve(handler: Handler): Promise<LoopbackServer> {
  const server = http.createServer((req, res) => {
    // Without a `next`, as a server calls it.
    Reflect.apply(handler, undefined, [req, res]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  return {
    port,
    ask: (request) => askByHttp(port, agent, request),
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** The answer to a request by HTTP, in the shape of {@link dispatch}'s. */
function askByHttp(port: number, agent: http.Agent, request: DispatchRequest): Promise<DispatchResponse> {
  return new Promise((resolve, reject) => {
    const { method, url, body } = request;
    const closing = request.headers?.['Connection'] === 'close';
    const client = http.request({
      ...{ host: '127.0.0.1', port, agent: closing ? false : agent, path: url, setHost: false },
      ...(method !== undefined && { method }),
      headers: mutable({ ...request.headers, ...host(request.headers), ...framing(request) }),
    });
    client.on('error', reject);
    client.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        resolve({
          status: res.statusCode ?? 0,
          statusMessage: res.statusMessage ?? '',
          headers: res.headers,
          body: Buffer.concat(chunks),
        });
      });
    });
    if (body === undefined) client.end();
    else if (typeof body === 'string' || body instanceof Uint8Array) client.end(body);
    else Readable.from(body, { objectMode: false }).pipe(client);
  });
}

/** The answers by HTTP and by {@link dispatch}, ready to be compared: of `Date` only the presence counts. */
export async function bothAnswers(server: LoopbackServer, handler: Handler, request: DispatchRequest) {
  // A keep-alive agent sends the header too.
  const sent = { ...request, headers: { Connection: 'keep-alive', ...request.headers } };
  return { byHttp: comparable(await server.ask(sent)), byDispatch: comparable(await dispatch(handler, sent)) };
}

/** What counts in a comparison of two answers. */
export function comparable({ status, statusMessage, headers, body }: DispatchResponse) {
  return { status, statusMessage, headers: maskDate(headers), body: body.toString('latin1') };
}

function maskDate(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return headers.date === undefined ? headers : { ...headers, date: 'some date' };
}

/** Node's client frames a body by itself, but not for methods that seldom have one. */
function framing({ method = 'GET', headers = {}, body }: DispatchRequest): Record<string, string> {
  const given = Object.keys(headers).map((name) => name.toLowerCase());
  const seldom = ['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method);
  if (body === undefined || !seldom || given.includes('content-length') || given.includes('transfer-encoding')) return {};
  if (typeof body === 'string' || body instanceof Uint8Array) return { 'Content-Length': String(Buffer.byteLength(body)) };
  return { 'Transfer-Encoding': 'chunked' };
}

function host(headers: DispatchRequest['headers'] = {}): Record<string, string> {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'host') ? {} : { Host: 'localhost' };
}

function mutable(headers: NonNullable<DispatchRequest['headers']>): http.OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'object' ? [...value] : value]),
  );
}
