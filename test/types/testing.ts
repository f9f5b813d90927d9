import { createChannels } from 'express-channels';
import { connect, HandshakeRefused, type TestClient, type TestFrame } from 'express-channels/testing';

const channels = createChannels();

const client: TestClient = await connect(channels, '/ws/users', {
  headers: { cookie: 'a=b' },
  protocols: ['bearer'],
  timeoutMs: 100,
});
client.send({ action: 'list' });
client.send('{"action":"list"}');
const frame: TestFrame = await client.receive();
const data: unknown = (await client.request({ action: 'list', request_id: 1 }))['data'];
const cookies: string[] | undefined = client.headers['set-cookie'];
await client.receiveNothing();
await client.close(1000);
const code: number = await client.closed;

try {
  await connect(channels, '/ws/nowhere');
} catch (error) {
  if (error instanceof HandshakeRefused) console.log(error.status.toFixed(), error.body.length);
}
// @ts-expect-error channels, not a port
await connect(8_000, '/ws/users');

export { code, cookies, data, frame };
