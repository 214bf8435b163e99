// moleculer-channels with empty jobs: fill N, work MAX-IN-FLIGHT.
const { ServiceBroker } = require('moleculer');
const { Middleware } = require('@moleculer/channels');
const { socket, payload, inBatches } = require('../shared/settings');

const broker = new ServiceBroker({
    logLevel: 'warn',
    middlewares: [Middleware({ adapter: { type: 'Redis', options: { redis: { path: socket } } } })],
});

async function fill(n) {
    await broker.start();
    await inBatches(Number(n), 1000, (numbers) =>
        Promise.all(numbers.map(() => broker.sendToChannel('jobs', payload))));
    await broker.stop();
}

function work(maxInFlight) {
    const tally = require('../shared/tally');
    broker.createService({
        name: 'worker',
        channels: {
            jobs: {
                group: 'workers',
                maxInFlight: Number(maxInFlight),
                redis: { startID: '0' },
                async handler() {
                    tally.begin();
                    tally.end();
                },
            },
        },
    });
    return broker.start();
}

const [action, ...rest] = process.argv.slice(2);
({ fill, work })[action](...rest);
