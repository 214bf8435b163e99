// BullMQ with empty jobs: fill N, work CONCURRENCY [effects], left.
const { Queue, Worker } = require('bullmq');
const Redis = require('ioredis');
const { socket, payload, inBatches } = require('../shared/settings');

const connection = { path: socket, maxRetriesPerRequest: null };

async function fill(n) {
    const queue = new Queue('jobs', { connection, defaultJobOptions: { removeOnComplete: true } });
    await inBatches(Number(n), 1000, (numbers) =>
        queue.addBulk(numbers.map(() => ({ name: 'job', data: payload }))));
    await queue.close();
}

// What weir's handler does: two fields of a hash and one event, here in one round trip.
function effects() {
    const redis = new Redis(connection);
    return (job) => redis.pipeline()
        .hset(`record:${job.id}`, 'state', 'done', 'text', job.data.text)
        .xadd('events', '*', 'type', 'job-done', 'data', JSON.stringify(job.data))
        .exec();
}

async function work(concurrency, kind) {
    const tally = require('../shared/tally');
    const effect = kind === 'effects' ? effects() : null;
    const handler = async (job) => {
        tally.begin();
        if (effect) await effect(job);
        tally.end();
    };
    const worker = new Worker('jobs', handler, { connection, concurrency: Number(concurrency) });
    worker.on('error', (error) => console.error(error));
}

async function left() {
    const queue = new Queue('jobs', { connection });
    console.log(await queue.getJobCountByTypes('waiting', 'active', 'delayed', 'failed'));
    await queue.close();
}

const [action, ...rest] = process.argv.slice(2);
({ fill, work, left })[action](...rest);
