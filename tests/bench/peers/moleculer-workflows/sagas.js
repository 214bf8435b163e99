// Workflows of moleculer with three empty steps: fill N, work CONCURRENCY.
const { ServiceBroker } = require('moleculer');
const { Middleware } = require('@moleculer/workflows');
const { socket, payload, inBatches } = require('../shared/settings');

const broker = new ServiceBroker({
    logLevel: 'warn',
    middlewares: [Middleware({ adapter: { type: 'Redis', options: { redis: { path: socket } } } })],
});

async function fill(n) {
    await broker.start();
    await broker.wf.getAdapter(); // connects; many calls at once do not wait for the first one's connection
    await inBatches(Number(n), 500, (numbers) =>
        Promise.all(numbers.map(() => broker.wf.run('saga.run', payload))));
    await broker.stop();
}

function work(concurrency) {
    const tally = require('../shared/tally');
    const empty = async () => true;
    broker.createService({
        name: 'saga',
        actions: { first: empty, second: empty, third: empty },
        workflows: {
            run: {
                concurrency: Number(concurrency),
                removeOnCompleted: true,
                async handler(ctx) {
                    tally.begin();
                    await ctx.call('saga.first', ctx.params);
                    await ctx.call('saga.second', ctx.params);
                    await ctx.call('saga.third', ctx.params);
                    tally.end();
                },
            },
        },
    });
    return broker.start();
}

const [action, ...rest] = process.argv.slice(2);
({ fill, work })[action](...rest);
