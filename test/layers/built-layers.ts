import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { transformFileSync } from '@swc/core';

const lib = join(__dirname, '../../lib');

/** Builds the layers, which need nothing but protocol/, as the ES modules that they are. Returns the path of redis-layer.js. */
export function buildLayers(folder: string): string {
  for (const floor of ['protocol', 'layers']) {
    mkdirSync(join(folder, floor));
    for (const file of readdirSync(join(lib, floor))) {
      const { code } = transformFileSync(join(lib, floor, file), {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      writeFileSync(join(folder, floor, file.replace(/\.ts$/, '.js')), code);
    }
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return join(folder, 'layers/redis-layer.js');
}
