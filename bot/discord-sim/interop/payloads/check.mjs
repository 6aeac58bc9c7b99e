// Compiles the payloads. The compiler does not look further into an object that has a field it does not know, so such
// fields are listed, cut out, and the rest is compiled again, until nothing is left to cut.
// Usage: node check.mjs PAYLOADS.ts; exits with 1 when a required field is missing or a field has another type.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';

const [file] = process.argv.slice(2);
const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--moduleResolution', 'nodenext'];
const compile = () => spawnSync('npx', ['tsc', ...options, file], { encoding: 'utf8' }).stdout.split('\n');
const unknownField = /\((\d+),\d+\): error TS2353: .*'"(\w+)"' does not exist in type '(\w+)/;

// A field ends on its own line, or where its bracket is closed.
function cut(lines, at) {
  if (/[[{]$/.test(lines[at])) {
    const indent = lines[at].match(/^ */)[0];
    let end = at + 1;
    while (!new RegExp(`^${indent}[\\]}]`).test(lines[end])) end += 1;
    lines.fill('', at, end + 1);
  } else {
    lines[at] = '';
  }
}

const unknown = new Map();
let errors = compile();
for (let found = errors.map((line) => unknownField.exec(line)); found.some(Boolean);) {
  const lines = readFileSync(file, 'utf8').split('\n');
  for (const [, line, field, type] of found.filter(Boolean)) {
    unknown.set(`${type} ${field}`, (unknown.get(`${type} ${field}`) ?? 0) + 1);
    cut(lines, Number(line) - 1);
  }
  writeFileSync(file, lines.join('\n'));
  errors = compile();
  found = errors.map((line) => unknownField.exec(line));
}
console.log('fields that discord-api-types does not know:');
for (const [field, count] of [...unknown].sort()) console.log(`  ${field} (${count})`);
const left = errors.filter((line) => line.trim());
if (left.length > 0) {
  console.log(left.join('\n'));
  process.exit(1);
}
const count = readFileSync(file, 'utf8').match(/^export/gm).length;
console.log(`every required field is there, of the right type, in ${count} payloads`);
