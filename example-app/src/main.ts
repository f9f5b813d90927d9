import { createApp } from './app.js';
import { DatabaseError, openDatabase } from './database.js';
import { forgetPresences } from './live/chat.models.js';
import { createLogin } from './login.js';
import { seed } from './seed.js';
import { DatabaseStore, sessionSecret } from './session-store.js';
import { mountSocket } from './socket.js';

const port = Number(process.env['PORT'] ?? 8000);
const host = process.env['HOST'] ?? '127.0.0.1';

async function start(): Promise<void> {
  const database = await openDatabase(process.env['DATABASE_URL']);
  await seed();
  await forgetPresences();

  const login = createLogin(new DatabaseStore(), process.env['SESSION_SECRET'] ?? (await sessionSecret()));
  const channels = mountSocket(createApp(login), login);
  const server = channels.listen(port, host, () => {
    const address = server.address();
    const taken = typeof address === 'object' ? (address?.port ?? port) : port;
    console.log(`The example app listens on http://${host === '127.0.0.1' ? 'localhost' : host}:${taken}`);
  });
  server.once('error', fail);

  const stop = async () => {
    await channels.close({ timeoutMs: 2_000 });
    await database.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop().catch(fail));
}

/** Ends the program: with one line for what its user can mend, with everything for a fault of its own. */
function fail(error: unknown): void {
  console.error(error instanceof DatabaseError ? error.message : (portProblem(error) ?? error));
  process.exit(1);
}

function portProblem(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  switch (error.code) {
    case 'EADDRINUSE':
      return `Port ${port} is taken. Stop the program that has it, or choose another port: PORT=${port + 1} npm start`;
    case 'EACCES':
      return `Port ${port} may not be opened by this user. Choose another port: PORT=8000 npm start`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST must be an address of this machine, not "${host}".`;
    case 'ERR_SOCKET_BAD_PORT':
      return `PORT must be a number from 0 to 65535, not "${process.env['PORT'] ?? ''}".`;
    default:
      return undefined;
  }
}

start().catch(fail);
