// Chains of three empty jobs by BullMQ's flows: fill N, work CONCURRENCY, left.
const { FlowProducer, Queue, Worker } = require('bullmq');
const { socket, payload, inBatches } = require('../shared/settings');

const connection = { path: socket, maxRetriesPerRequest: null };

const step = (name, children) =>
    ({ name, queueName: 'steps', data: payload, opts: { removeOnComplete: true }, children });

async function fill(n) {
    const producer = new FlowProducer({ connection });
    await inBatches(Number(n), 500, (numbers) =>
        producer.addBulk(numbers.map(() => step('third', [step('second', [step('first')])]))));
    await producer.close();
}

function work(concurrency) {
    const tally = require('../shared/tally');
    const handler = async (job) => {
        tally.begin();
        if (job.name === 'third') tally.end();
    };
    const worker = new Worker('steps', handler, { connection, concurrency: Number(concurrency) });
    worker.on('error', (error) => console.error(error));
}

async function left() {
    const queue = new Queue('steps', { connection });
    console.log(await queue.getJobCountByTypes('waiting', 'waiting-children', 'active', 'delayed', 'failed'));
    await queue.close();
}

const [action, ...rest] = process.argv.slice(2);
({ fill, work, left })[action](...rest);
