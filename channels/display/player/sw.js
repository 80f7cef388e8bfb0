/* Keeps the page itself, so that a box which is switched on while the network is away still shows
 * it; the playlist is the page's own business and never passes through here. Browsers run this
 * only in a secure context (https, or localhost).
 *
 * From the network first: a newer player on the server is used at the next load. */
'use strict';

const SHELL = ['./', 'index.html', 'player.css', 'words.js', 'clock.js', 'sha256.js', 'playlist.js',
    'clean.js', 'tables.js', 'paginate.js', 'screen.js', 'beat.js', 'player.js'];
const CACHE = 'gongkai-player:' + self.registration.scope;
const PATIENCE_MS = 5000;

const ours = new Set(SHELL.map(name => new URL(name, self.registration.scope).pathname));

self.addEventListener('install', event => {
    event.waitUntil(caches.open(CACHE)
        .then(cache => cache.addAll(SHELL.map(name => new Request(name, {cache: 'reload'}))))
        .then(() => self.skipWaiting()));
});

self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));

function fromNetwork(request, path) {
    const control = new AbortController();
    const limit = setTimeout(() => control.abort(), PATIENCE_MS);

    return fetch(path, {cache: 'no-cache', credentials: 'same-origin', signal: control.signal})
        .then(answer => {
            clearTimeout(limit);
            if (!answer.ok || answer.redirected)
                throw new Error('HTTP ' + answer.status);
            const copy = answer.clone();
            return caches.open(CACHE).then(cache => cache.put(path, copy)).then(() => answer);
        });
}

self.addEventListener('fetch', event => {
    const url = new URL(event.request.url);

    if (event.request.method !== 'GET' || url.origin !== self.location.origin ||
        !ours.has(url.pathname))
        return;
    // The query (?poll= and so on) is the page's, not the file's.
    event.respondWith(fromNetwork(event.request, url.pathname)
        .catch(() => caches.open(CACHE).then(cache => cache.match(url.pathname)))
        .then(answer => answer || Response.error()));
});
