// Counts the jobs of this process for measure.sh, which says how.
const fs = require('fs');

const file = `${process.env.PEERS_TALLY}.${process.pid}`;
let first = 0;
let last = 0;
let count = 0;
let written = 0;

const now = () => (performance.timeOrigin + performance.now()) / 1000;

setInterval(() => {
    if (count === written) return;
    written = count;
    fs.appendFileSync(file, `${first.toFixed(6)} ${last.toFixed(6)} ${count}\n`);
}, 100);

exports.begin = () => {
    if (first === 0) first = now();
};

exports.end = () => {
    last = now();
    count++;
};
