/* SHA-256 (FIPS 180-4) of a text's UTF-8 bytes, as 64 hex digits. The browser's own is offered in secure
 * contexts only, and most screens open a plain http address. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    // The first 32 bits of the fractional parts of the roots of the first primes.
    const primes = [];
    for (let candidate = 2; primes.length < 64; candidate++)
        if (primes.every(prime => candidate % prime !== 0))
            primes.push(candidate);
    const fraction = root => (root - Math.floor(root)) * 0x100000000 | 0;
    const ROUND = primes.map(prime => fraction(Math.cbrt(prime)));
    const START = primes.slice(0, 8).map(prime => fraction(Math.sqrt(prime)));

    const right = (word, n) => word >>> n | word << 32 - n;

    // The message, a one bit, zeros, and its length in bits, in blocks of 64 bytes.
    function padded(bytes) {
        const whole = new Uint8Array((bytes.length + 9 + 63 >> 6) << 6);
        const view = new DataView(whole.buffer);

        whole.set(bytes);
        whole[bytes.length] = 0x80;
        view.setUint32(whole.length - 8, Math.floor(bytes.length / 0x20000000));
        view.setUint32(whole.length - 4, bytes.length << 3);
        return view;
    }

    function block(state, view, at, w) {
        let [a, b, c, d, e, f, g, h] = state;

        for (let i = 0; i < 16; i++)
            w[i] = view.getInt32(at + i * 4);
        for (let i = 16; i < 64; i++) {
            const x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (right(x, 7) ^ right(x, 18) ^ x >>> 3) +
                (right(y, 17) ^ right(y, 19) ^ y >>> 10);
        }
        for (let i = 0; i < 64; i++) {
            const one = h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + (e & f ^ ~e & g) +
                ROUND[i] + w[i] | 0;
            const two = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
            h = g; g = f; f = e; e = d + one | 0; d = c; c = b; b = a; a = one + two | 0;
        }
        [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] = state[i] + word | 0; });
    }

    gongkai.sha256 = text => {
        const view = padded(new TextEncoder().encode(text));
        const state = START.slice();
        const words = new Int32Array(64);

        for (let at = 0; at < view.byteLength; at += 64)
            block(state, view, at, words);
        return state.map(word => (word >>> 0).toString(16).padStart(8, '0')).join('');
    };
}());
