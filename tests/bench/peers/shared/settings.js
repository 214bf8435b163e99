// What the peers in Node.js share: where the server is, and the payload.
exports.socket = process.env.PEERS_SOCKET;

// 256 bytes as JSON, as of each row of the benchmark.
exports.payload = { text: 'x'.repeat(256 - '{"text":""}'.length) };

// Calls ADD with the numbers of a batch of jobs, again and again until there are N.
exports.inBatches = async (n, size, add) => {
    for (let done = 0; done < n; done += size) {
        await add(Array.from({ length: Math.min(size, n - done) }, (_, index) => done + index));
    }
};
