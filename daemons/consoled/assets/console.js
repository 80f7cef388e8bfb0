/* Looks again every so often, without moving what is being read. Everything works without it. */
"use strict";

async function refresh() {
    const main = document.querySelector("main[data-refresh]");
    const busy = document.activeElement && main && main.contains(document.activeElement) && document.activeElement !== main;
    if (!main || document.hidden || busy || String(getSelection()))
        return;
    try {
        const reply = await fetch(location.href, { cache: "no-store", redirect: "error" });
        if (!reply.ok)
            return;
        const page = new DOMParser().parseFromString(await reply.text(), "text/html");
        for (const part of ["main", "header.top nav", "footer"]) {
            const from = page.querySelector(part), to = document.querySelector(part);
            if (from && to && from.innerHTML !== to.innerHTML)
                to.replaceChildren(...from.childNodes);
        }
        document.documentElement.classList.remove("stale");
    } catch (error) {
        document.documentElement.classList.add("stale");
    }
}

const wanted = document.querySelector("main[data-refresh]");
if (wanted)
    setInterval(refresh, 1000 * Number(wanted.dataset.refresh));
