// Validates a document of AsyncAPI: node asyncapi.mjs FILE
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';
import { say } from './node.mjs';

const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
for (const d of diagnostics) console.log(d.severity, d.path.join('.'), d.message);
const errors = diagnostics.filter((d) => d.severity === 0).length;
say({ say: `errors: ${errors}, warnings: ${diagnostics.filter((d) => d.severity === 1).length}` });
