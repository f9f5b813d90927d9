// Lets Node run the project's TypeScript as it stands: `node --import ./test/wire/typescript.mjs file.ts`. There is no build that could be
// missing or old.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
