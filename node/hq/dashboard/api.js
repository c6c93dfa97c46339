// HQ's answers: asked for with the session's cookie, and put into one form.

import { clock } from "./words.js";

const ANSWER_MS = 5_000;
const SWITCHOVER_MS = 60_000;

/** An answer that is a refusal; `message` is what HQ says. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, { method = "GET", body, timeout = ANSWER_MS } = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(timeout),
  });
  if (answer.status === 401) {
    sessionStorage.setItem("ended", "yes");
    location.replace("/login" + location.hash);
    throw new Refused(401, "The session has ended.");
  }
  const text = await answer.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    // An empty answer, or one of a proxy in between.
  }
  if (!answer.ok) throw new Refused(answer.status, value?.detail ?? value?.title ?? `HQ answered ${answer.status}.`);
  return value;
}

const flag = (value, otherwise) => (typeof value === "boolean" ? value : otherwise);
const number = (value, otherwise) => (typeof value === "number" && Number.isFinite(value) ? value : otherwise);
const text = (value) => (value === null || value === undefined || value === "" ? null : String(value));
const array = (value) => (Array.isArray(value) ? value : []);
const epoch = (value) => (value ? { number: number(value.number, 0), primary: text(value.primary) } : null);

function readPop(pop, leaseMs) {
  const lastSeenMs = number(pop.last_seen_ms, null);
  return {
    id: text(pop.pop) ?? "?",
    url: text(pop.url),
    addresses: array(pop.dns_addresses ?? [pop.dns_address]).filter(Boolean).map(String),
    role: text(pop.role),
    epoch: epoch(pop.epoch),
    leaseMsLeft: number(pop.lease_ms_left, 0),
    isMember: flag(pop.is_member, false),
    isPromotable: flag(pop.is_promotable, flag(pop.is_member, false)),
    isReady: flag(pop.is_ready, true),
    isLost: flag(pop.is_lost, lastSeenMs !== null && lastSeenMs > leaseMs),
    votedMs: number(pop.voted_ms, 0),
    lastSeenMs,
    version: text(pop.version),
    runtime: text(pop.runtime),
    region: text(pop.region),
    uptimeS: number(pop.uptime_s, null),
    entries: number(pop.entries, null),
    dirty: number(pop.dirty, null),
    isDirtyOrMore: flag(pop.dirty_or_more, false),
    oldestDirtyMs: number(pop.oldest_dirty_ms, null),
    tarpitHeld: number(pop.tarpit_held, 0),
    clockAheadMs: number(pop.clock_ahead_ms, null),
    held: array(pop.held),
    why: text(pop.why),
  };
}

/** How many of the primary's changes a POP does not hold yet; `null` where nobody can know. */
function behind(pop, primary) {
  const own = primary?.held.find((held) => held.pop === primary.id);
  if (!own || pop === primary) return null;
  const has = pop.held.find((held) => held.pop === own.pop && String(held.store) === String(own.store));
  return Math.max(0, own.seq - (has?.seq ?? 0));
}

function readCluster(cluster, zone, leaseMs) {
  const pops = array(cluster.pops).map((pop) => readPop(pop, leaseMs));
  const primary = pops.find((pop) => pop.id === cluster.primary);
  for (const pop of pops) pop.behind = behind(pop, primary);
  const name = text(cluster.name) ?? "?";
  return {
    name,
    epoch: epoch(cluster.epoch),
    primary: text(cluster.primary),
    state: text(cluster.state),
    why: text(cluster.why),
    leaseMsLeft: number(cluster.lease_ms_left, 0),
    members: array(cluster.members).map(String),
    dnsName: text(cluster.dns?.name) ?? (zone ? `${name}.${zone}` : null),
    handOverTo: text(cluster.hand_over_to),
    addresses: array(cluster.dns?.addresses ?? primary?.addresses).map(String),
    pops,
  };
}

export async function overview() {
  const value = await ask("/v1/pops");
  if (typeof value?.now === "number") clock.ahead = value.now - Date.now();
  const leaseMs = number(value?.lease_ms, 6_000);
  const clusters = array(value?.clusters).map((cluster) => readCluster(cluster, text(value?.zone), leaseMs));
  return { at: performance.now(), leaseMs, clusters };
}

function readEvent(event) {
  return {
    id: String(event.id),
    at: number(event.at_ms, 0),
    cluster: text(event.cluster) ?? "?",
    type: text(event.type) ?? "?",
    pop: text(event.pop),
    epoch: epoch(event.epoch),
    why: text(event.why),
  };
}

function readIncident(incident) {
  const last = number(incident.last_ms, 0);
  return {
    id: String(incident.id),
    type: text(incident.type) ?? "alert",
    isOpen: incident.state !== "resolved",
    message: text(incident.message) ?? "",
    cluster: text(incident.cluster),
    pop: text(incident.pop),
    hostname: text(incident.hostname),
    region: text(incident.pop_region),
    details: Object.entries(incident.details ?? {}).map(([name, value]) => [name, String(value)]),
    count: number(incident.count, 1),
    first: number(incident.first_ms, last),
    at: last,
    resolved: number(incident.resolved_ms, null),
    by: text(incident.resolved_by),
  };
}

function page(path, wanted) {
  const given = Object.entries(wanted).filter(([, value]) => value !== null);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** One page of the history, newest first; `next` asks for the one after it. */
export async function events(after = null) {
  const value = await ask(page("/v1/events", { after }));
  return { rows: array(value?.events).map(readEvent), next: value?.next ?? null };
}

/** One page of the incidents, those opened last first. */
export async function incidents(after = null, state = null) {
  const value = await ask(page("/v1/alerts", { state, after }));
  return { rows: array(value?.incidents).map(readIncident), next: value?.next ?? null };
}

export const resolve = (id) => ask(`/v1/alerts/${encodeURIComponent(id)}/resolve`, { method: "POST", body: {} });

export async function switchOver(cluster, to) {
  const path = `/v1/clusters/${encodeURIComponent(cluster)}/switchover`;
  const value = await ask(path, { method: "POST", body: to ? { to } : {}, timeout: SWITCHOVER_MS });
  return epoch(value?.epoch);
}

export const logOut = () => ask("/logout", { method: "POST" });
