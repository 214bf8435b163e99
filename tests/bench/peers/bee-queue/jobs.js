// bee-queue with empty jobs: fill N, work CONCURRENCY, left.
const Queue = require('bee-queue');
const { socket, payload, inBatches } = require('../shared/settings');

const open = (isWorker) => new Queue('jobs', {
    redis: { path: socket },
    isWorker,
    getEvents: false,
    sendEvents: false,
    storeJobs: false,
    removeOnSuccess: true,
});

async function fill(n) {
    const queue = open(false);
    await inBatches(Number(n), 1000, async (numbers) => {
        const errors = await queue.saveAll(numbers.map(() => queue.createJob(payload)));
        if (errors.size > 0) throw errors.values().next().value;
    });
    await queue.close();
}

function work(concurrency) {
    const tally = require('../shared/tally');
    const queue = open(true);
    queue.on('error', (error) => console.error(error));
    queue.process(Number(concurrency), async () => {
        tally.begin();
        tally.end();
    });
}

async function left() {
    const queue = open(false);
    const { waiting, active, failed, delayed } = await queue.checkHealth();
    console.log(waiting + active + failed + delayed);
    await queue.close();
}

const [action, ...rest] = process.argv.slice(2);
({ fill, work, left })[action](...rest);
