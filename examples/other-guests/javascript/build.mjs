// Makes a component of app.js: node build.mjs SOURCE WIT WORLD OUT. What the runtime does not provide is left out.
import { readFile, writeFile } from 'node:fs/promises';

import { componentize } from '@bytecodealliance/componentize-js';

const [source, witPath, worldName, out] = process.argv.slice(2);
const { component } = await componentize(await readFile(source, 'utf8'), {
  witPath,
  worldName,
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile(out, component);
