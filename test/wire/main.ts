import { startWireServer } from './wire-server.js';

/** `npm run wire-server -- PORT`: serves what the scenarios talk to, until it is told to end. */
async function main(): Promise<void> {
  const port = portIn(process.argv.slice(2));
  const server = await startWireServer(port).catch((error: unknown) => {
    throw isTaken(error) ? new Misuse(`Port ${String(port)} is taken: choose another one.`) : error;
  });
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

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function fail(error: unknown): void {
  console.error(error instanceof Misuse ? error.message : error);
  process.exit(1);
}

main().catch(fail);
