// Loads the program; only where the event loop runs dry by itself, with no failed assertion, is the ticket handed in.
'use strict';
const fs = require('fs');
const format = require('util').format;

let failed = false;
const { copyFileSync } = fs;
console.assert = (condition, ...message) => {
  if (!condition) {
    failed = true;
    process.stderr.write('Assertion failed' + (message.length ? ': ' + format(...message) : '') + '\n');
    process.exitCode = 1;
  }
};
process.on('beforeExit', (code) => {
  if (!failed && code === 0) copyFileSync('/tmp/ticket', '/tmp/handed-in', fs.constants.COPYFILE_EXCL);
});
process.argv.splice(1, 1);
process.argv[1] = require('path').resolve(process.argv[1]);
require(process.argv[1]);
