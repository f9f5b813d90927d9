// A process of its own on the bus: publishes numbers to the group `numbers` until it is killed, or has been told to end.
// Arguments: the built redis-layer.js, the address of Redis, milliseconds between beats.
const [, , module, url, beatMs] = process.argv;
const { redisLayer } = await import(module);

const layer = redisLayer({ url, beatMs: Number(beatMs) });
let ending = false;
process.once('SIGTERM', () => {
  ending = true;
});
for (let number = 1; !ending; number += 1) await layer.send('numbers', String(number));
await layer.close();
