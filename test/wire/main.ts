import { startWireServer } from './wire-server.js';

/** `npm run wire-server -- PORT`: serves what the scenarios talk to, until it is told to end. */
async function main(): Promise<void> {
  const server = await startWireServer(portIn(process.argv.slice(2)));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close().catch(fail));
  console.log('ready');
}

function portIn(args: readonly string[]): number {
  const [text = ''] = args;
  const port = Number(text);
  if (args.length !== 1 || !/^\d{1,5}$/.test(text) || port > 65_535) {
    throw new Misuse(`Expected one argument, a port from 0 to 65535, got ${JSON.stringify(args)}: npm run wire-server -- 8000`);
  }
  return port;
}

/** What the one who starts it can mend: told in one line. */
class Misuse extends Error {}

function fail(error: unknown): void {
  console.error(toldOf(error));
  process.exit(1);
}

function toldOf(error: unknown): unknown {
  if (error instanceof Misuse) return error.message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return `The port is taken: ${error.message}.`;
  return error;
}

main().catch(fail);
