"""From the emitter to the endpoint: how fast, how soon, at what cost. All variants in turn, in one
run on the same machine, and their medians: only what stands side by side can be compared."""
import re
import subprocess
import time

from kit import QUICK, Way, figure, load, median, resident_mib, rounds, run_json, say, wait_until

IN_FLIGHT = (1, 16, 64, 256)


def bare(programs, sink, requests):
    """The best of four numbers in flight: (rate, CPU us per request, in flight)."""
    best = None
    for in_flight in IN_FLIGHT:
        one = run_json(programs / "tests" / "bench" / "bare", f"{sink.url}/bare", requests, in_flight)
        if best is None or one["rate"] > best["rate"]:
            best = one
    return best


def h2load(sink, folder, requests):
    body = folder / "body"
    body.write_bytes(b"x" * 2048)
    out = subprocess.run(["h2load", "--h1", "-n", str(requests), "-c", "64", "-t", "1", "-d", str(body), "-H",
                          "content-type: application/cloudevents+json", f"{sink.url}/h2load"],
                         check=True, capture_output=True, text=True).stdout
    return float(re.search(r"finished in .*?, ([0-9.]+) req/s", out).group(1))


def deliver(way, sink, events):
    """A flood, until the last delivery: deliveries a second, accepted a second, CPU us per delivery, the
    ledger's own included, which may come a little later."""
    sink.reset()
    before = way.cpu()
    flood = way.flood(events)
    seen = sink.wait(events * way.fan_out)
    wait_until(way.is_ledgered, 60, "all is in the ledger")
    ledgered = time.monotonic() - seen["last_us"] / 1e6
    used = {name: (now - before[name]) * 1e6 / (events * way.fan_out) for name, now in way.cpu().items()}
    assert seen["doubled"] == 0 and seen["keys"] == events * way.fan_out, seen
    seconds = (seen["last_us"] - flood["began_us"]) / 1e6
    return {"rate": events * way.fan_out / seconds, "accepted": flood["rate"], "cpu": used, "ledgered": ledgered}


def prompt(way, sink, events, rate):
    """A few hundred events a second, as a busy county on a bad day: how long each was on its way."""
    sink.reset(stamps=1)
    before = way.cpu()
    way.flood(events, rate=rate, emitters=1)
    seen = sink.wait(events * way.fan_out)
    used = sum(way.cpu().values()) - sum(before.values())
    return seen["p50_ms"], seen["p99_ms"], used * 1e6 / (events * way.fan_out)


def print_cpu(fan_out, runs, goal):
    for program in runs[0]["cpu"]:
        figure(f"cpu-per-delivery-f{fan_out}-{program}", median([run["cpu"][program] for run in runs]), "us")
    figure(f"cpu-per-delivery-f{fan_out}", median([sum(run["cpu"].values()) for run in runs]), "us", goal, least=False)


def end_to_end(programs, sink):
    events, requests = (8000, 30000) if QUICK else (40000, 100000)
    ways = {1: Way(programs, sink, 1), 4: Way(programs, sink, 4)}
    bares, peers, runs, waits = [], [], {1: [], 4: []}, []
    try:
        for way in ways.values():
            way.start()
            sink.reset()
            way.flood(2000)
            sink.wait(2000 * way.fan_out)
        for i in range(rounds(1, 5)):
            bares.append(bare(programs, sink, requests))
            for fan_out, way in ways.items():
                runs[fan_out].append(deliver(way, sink, events if fan_out == 1 else events // 4))
            peers.append(h2load(sink, ways[1].county.folder, requests))
            waits.append(prompt(ways[1], sink, 1000 if QUICK else 5000, 500))
            say(f"round {i + 1}: load {load():.2f}, bare {bares[-1]['rate']} at {bares[-1]['in_flight']} in flight, "
                f"h2load {peers[-1]:.0f}, deliveries/s f1 {runs[1][-1]['rate']:.0f} f4 {runs[4][-1]['rate']:.0f}, "
                f"cpu us f1 {sum(runs[1][-1]['cpu'].values()):.1f} f4 {sum(runs[4][-1]['cpu'].values()):.1f}, "
                f"p99 {waits[-1][1]:.2f} ms")
        figure("h2load", median(peers), "requests/s")
        figure("bare-client", median([b["rate"] for b in bares]), "requests/s")
        figure("bare-client-cpu", median([b["cpu_us"] for b in bares]), "us")
        figure("bare-client-against-h2load", median([b["rate"] / p for b, p in zip(bares, peers)]), "ratio", 0.4)
        for fan_out in (1, 4):
            figure(f"accepted-while-delivering-f{fan_out}", median([run["accepted"] for run in runs[fan_out]]), "events/s")
            figure(f"deliveries-f{fan_out}", median([run["rate"] for run in runs[fan_out]]), "deliveries/s",
                   25000 if fan_out == 1 else 40000)
        figure("deliveries-f1-against-bare", median([r["rate"] / b["rate"] for r, b in zip(runs[1], bares)]), "ratio")
        figure("deliveries-f4-against-bare", median([r["rate"] / b["rate"] for r, b in zip(runs[4], bares)]), "ratio", 0.6)
        print_cpu(1, runs[1], 45)
        print_cpu(4, runs[4], 36)
        figure("ledger-behind-the-last-delivery-f4", median([run["ledgered"] for run in runs[4]]), "s")
        figure("emit-to-sink-p50", median([w[0] for w in waits]), "ms", 0.6, least=False)
        figure("emit-to-sink-p99", median([w[1] for w in waits]), "ms", 1.2, least=False)
        figure("cpu-per-delivery-at-500", median([w[2] for w in waits]), "us")
        for name, process in ways[4].county.processes.items():
            figure(f"memory-after-load-{name}", resident_mib(process), "MiB", 64 if name == "publisherd" else
                   None if name == "redis" else 24, least=False)
    finally:
        for way in ways.values():
            way.close()
