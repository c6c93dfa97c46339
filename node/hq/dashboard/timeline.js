// Alerts and the history of the clusters as one list, newest first.

import * as api from "./api.js";
import { byId, el, keyed, mark, reshape, shape, show } from "./dom.js";
import { stories } from "./stories.js";
import { ago, clock, count, dayName, duration, eventKind, eventShape, eventWords, fullTime, timeOfDay } from "./words.js";

const SHOWN_STEP = 60;
const KEPT_MAX = 5_000;
const OLDER_PAGES_MAX = 10;

/** What HQ says of a change of primary as incidents is told better by the story. */
const OF_A_STORY = new Set(["failover", "no_primary"]);
const TOGETHER_MS = 5_000;
const JUST_MS = 60_000;

/** One of the two lists that HQ keeps: what of it is here, and how to ask for more. */
function source(fetchPage, ordered) {
  const rows = new Map();
  let next = null;
  let isBegun = false;
  /** Takes the newest page in. Unless it meets what is here, what is here is given up: there is a gap. */
  const refresh = async () => {
    const page = await fetchPage();
    const meets = page.rows.some((row) => rows.has(row.id));
    if (!isBegun || !meets || page.next === null || rows.size > KEPT_MAX) {
      if (page.rows.length > 0 || page.next === null) rows.clear();
      next = page.next;
      isBegun = true;
    }
    for (const row of page.rows) rows.set(row.id, row);
  };
  const older = async () => {
    if (next === null || rows.size > KEPT_MAX) return;
    const page = await fetchPage(next);
    next = page.next;
    for (const row of page.rows) if (!rows.has(row.id)) rows.set(row.id, row);
  };
  /** Before this moment something may be missing. */
  const horizon = () => (next === null ? -Infinity : Math.min(...[...rows.values()].map(ordered)));
  return { rows, refresh, older, horizon, hasMore: () => next !== null && rows.size <= KEPT_MAX };
}

const history = source(api.events, (event) => event.at);
const alerts = source(api.incidents, (incident) => incident.first);
let stateOf = new Map();
let leaseMs = 0;
let all = [];
let shownMax = SHOWN_STEP;
let list = null;
let say = () => {};

// ---- What is shown

function alertItem(incident) {
  const where = [incident.cluster, incident.pop ?? incident.hostname].filter(Boolean).join(" · ");
  const look = incident.isOpen ? { tone: "bad", form: "triangle" } : { tone: "ok", form: "tick" };
  return {
    key: `a${incident.id}`, at: incident.at, cluster: incident.cluster, kind: "alert", isOpen: incident.isOpen, look,
    title: incident.type, where, body: incident.message, incident,
    text: [incident.type, where, incident.hostname, incident.region, incident.message, ...incident.details.flat()].join(" "),
  };
}

function eventItem(event) {
  const words = eventWords(event);
  return {
    key: `e${event.id}`, at: event.at, cluster: event.cluster, kind: eventKind(event.type), isOpen: false,
    look: eventShape(event.type), title: words, where: event.cluster, body: "", text: `${event.cluster} ${event.type} ${words}`,
  };
}

function storyItem(story) {
  const text = [story.cluster, story.title, story.from, story.to, ...story.steps.map((step) => step.words)].join(" ");
  return { key: `s${story.id}`, at: story.at, cluster: story.cluster, kind: "change", where: story.cluster, text, ...story };
}

function gather() {
  const horizon = Math.max(history.horizon(), alerts.horizon());
  const { told, rest } = stories([...history.rows.values()], stateOf, leaseMs);
  const incidents = [...alerts.rows.values()];
  const isTold = ({ type, cluster, first }) => OF_A_STORY.has(type) && told.some((story) =>
    story.cluster === cluster && first > story.began - TOGETHER_MS && first < story.at + TOGETHER_MS);
  const isRaised = (event) => event.type === "pop_lost" && incidents.some((incident) => incident.type === "pop_lost" &&
    incident.cluster === event.cluster && incident.pop === event.pop && Math.abs(incident.first - event.at) < TOGETHER_MS);
  all = [...told.map(storyItem), ...rest.filter((event) => !isRaised(event)).map(eventItem),
    ...incidents.filter((incident) => !isTold(incident)).map(alertItem)]
    .filter((item) => item.at >= horizon)
    .sort((a, b) => b.at - a.at || (a.key < b.key ? 1 : -1));
}

// ---- The filters, kept in the address

const FILTERS = { cluster: "filter-cluster", kind: "filter-kind", q: "filter-text", open: "filter-open" };

function readFilters() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const cluster = wanted.get("cluster") ?? "";
  if (cluster) offerClusters([...stateOf.keys(), cluster]);
  byId(FILTERS.cluster).value = cluster;
  byId(FILTERS.kind).value = wanted.get("kind") ?? "";
  if (byId(FILTERS.kind).selectedIndex < 0) byId(FILTERS.kind).value = "";
  byId(FILTERS.q).value = wanted.get("q") ?? "";
  byId(FILTERS.open).checked = wanted.get("open") === "1";
}

function filters() {
  return {
    cluster: byId(FILTERS.cluster).value, kind: byId(FILTERS.kind).value,
    q: byId(FILTERS.q).value.trim(), open: byId(FILTERS.open).checked,
  };
}

function keepFilters() {
  const { cluster, kind, q, open } = filters();
  const entries = Object.entries({ cluster, kind, q, open: open ? "1" : "" }).filter(([, value]) => value);
  const hash = new URLSearchParams(entries).toString();
  window.history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
  shownMax = SHOWN_STEP;
  render();
}

function isWanted(item, { cluster, kind, open, words }) {
  if (cluster && item.cluster !== cluster) return false;
  if (kind && item.kind !== kind) return false;
  if (open && !item.isOpen) return false;
  if (words.length === 0) return true;
  item.haystack ??= item.text.toLowerCase();
  return words.every((word) => item.haystack.includes(word));
}

function offerClusters(names) {
  const select = byId(FILTERS.cluster);
  const wanted = [...new Set(names)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const chosen = select.value;
  if (chosen && !wanted.includes(chosen)) wanted.push(chosen);
  if (select.offered === wanted.join()) return;
  select.offered = wanted.join();
  select.replaceChildren(el("option", { value: "" }, "All"), ...wanted.map((name) => el("option", { value: name }, name)));
  select.value = chosen;
}

// ---- One item

function stepRow(step, total) {
  const bar = el("span", { class: "span", "aria-hidden": "true" });
  bar.style.setProperty("--from", total > 0 ? (step.from / total).toFixed(4) : "0");
  bar.style.setProperty("--to", total > 0 ? (step.to / total).toFixed(4) : "0");
  return el("li", {},
    el("span", { class: "step-words" }, step.words),
    el("span", { class: "step-time mono", title: fullTime(step.at) }, step.to === 0 ? timeOfDay(step.at) : `+${duration(step.to - step.from)}`),
    bar);
}

function detailsOf(item) {
  if (item.steps) {
    const rows = item.steps.map((step) => stepRow(step, item.total));
    const sum = el("p", { class: "total" }, item.isOpen ? "Under way." : `In all ${duration(item.total)}, ${timeOfDay(item.began)} to ${timeOfDay(item.began + item.total)}.`);
    return [el("ol", { class: "steps" }, ...rows), sum];
  }
  const { incident } = item;
  if (!incident) return [];
  const pairs = [
    ["host", incident.hostname], ["region", incident.region],
    ["first", fullTime(incident.first)], ["last", incident.count > 1 ? fullTime(incident.at) : null],
    ["resolved", incident.resolved ? fullTime(incident.resolved) + (incident.by === "hq" ? ", as HQ saw" : "") : null], ...incident.details,
  ].filter(([, value]) => value !== null);
  return [el("dl", { class: "pairs" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))))];
}

function itemView(key) {
  if (key.startsWith("d")) return dayView();
  const dot = shape("none", "dash");
  const title = el("strong", { tabindex: "-1" });
  const where = el("span", { class: "where" });
  const time = el("time");
  const body = el("p", { class: "body" });
  const inside = el("div", { class: "inside", id: `in-${key}`, hidden: true });
  const more = el("button", { type: "button", class: "more", "aria-controls": `in-${key}` });
  const act = el("button", { type: "button", class: "act", hidden: true }, "Resolve");
  const node = el("li", { class: "item" }, dot,
    el("div", {}, el("p", { class: "line" }, title, where), body, el("p", { class: "when" }, time, more, act), inside));
  let shown = null;
  let drawn = "";
  let isOpen = null;
  const tick = () => show(time, `${timeOfDay(shown.at)} · ${ago(shown.at)}${shown.incident && !shown.isOpen ? " · resolved" : ""}`);
  const fill = () => {
    mark(more, "aria-expanded", isOpen === true);
    mark(inside, "hidden", !isOpen);
    const wanted = isOpen ? `${shown.at} ${shown.isOpen} ${shown.steps?.length ?? shown.incident?.count}` : "";
    if (wanted === drawn) return;
    drawn = wanted;
    inside.replaceChildren(...(isOpen ? detailsOf(shown) : []));
  };
  const update = (item) => {
    shown = item;
    reshape(dot, item.look);
    mark(node, "data-tone", item.look.tone);
    mark(node, "data-kind", item.kind);
    show(title, item.title);
    const times = item.incident?.count > 1 ? ` · ${item.incident.count.toLocaleString("en-GB")} times` : "";
    show(where, item.where + times);
    show(body, item.body);
    mark(body, "hidden", !item.body);
    mark(time, "datetime", new Date(item.at).toISOString());
    mark(time, "title", fullTime(item.at));
    mark(more, "hidden", !item.steps && !item.incident);
    show(more, item.steps ? count(item.steps.length, "step") : "Details");
    mark(more, "aria-label", `${more.shown} of ${item.title}`);
    // What is under way, or has just been, is shown as it happens, and stays open for whoever watches.
    if (item.steps && (item.isOpen || clock.now() - item.at < JUST_MS)) isOpen ??= true;
    mark(act, "hidden", !(item.incident && item.isOpen));
    mark(act, "aria-label", item.incident ? `Resolve ${item.title}, ${item.where}` : null);
    fill();
    tick();
  };
  more.addEventListener("click", () => {
    isOpen = !isOpen;
    fill();
  });
  act.addEventListener("click", () => resolve(shown, act, title));
  return { node, update, tick };
}

function dayView() {
  const name = el("h3");
  return { node: el("li", { class: "day" }, name), update: ({ day }) => show(name, day), tick() {} };
}

async function resolve(item, button, title) {
  button.disabled = true;
  try {
    await api.resolve(item.incident.id);
    item.incident.isOpen = false;
    item.incident.resolved = clock.now();
    say(`${item.title} is resolved. It opens again if it comes back.`);
    title.focus();
    gather();
    render();
  } catch (error) {
    const reason = error instanceof api.Refused ? error.message : "HQ does not answer.";
    say(`${item.title} is not resolved: ${reason} Try again.`, true);
  } finally {
    button.disabled = false;
  }
}

// ---- The list

function withDays(items) {
  const out = [];
  let last = "";
  for (const item of items) {
    const day = dayName(item.at);
    if (day !== last) out.push({ key: `d${day}`, day });
    last = day;
    out.push(item);
  }
  return out;
}

function emptyWords(isFiltered, { open }) {
  if (history.hasMore() || alerts.hasMore()) return "Nothing among what is loaded. Older items may match.";
  if (open && all.length > 0) return "Nothing is open.";
  if (isFiltered) return "Nothing matches these filters.";
  return "Nothing has happened yet. Alerts, failovers and switchovers appear here.";
}

function render() {
  const wanted = filters();
  const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = all.filter((item) => isWanted(item, { ...wanted, words }));
  const isFiltered = Boolean(wanted.cluster || wanted.kind || wanted.open || wanted.q);
  list.sync(withDays(matching.slice(0, shownMax)), ({ key }) => key);
  mark(byId("items-empty"), "hidden", matching.length > 0);
  show(byId("items-empty"), emptyWords(isFiltered, wanted));
  mark(byId("older"), "hidden", matching.length <= shownMax && !history.hasMore() && !alerts.hasMore());
  mark(byId("filter-clear"), "hidden", !isFiltered);
  const open = all.filter((item) => item.isOpen).length;
  show(byId("timeline-summary"), open > 0 ? `${open} open` : all.length > 0 ? "nothing open" : "");
}

async function showOlder() {
  const button = byId("older");
  button.disabled = true;
  shownMax += SHOWN_STEP;
  try {
    const { words, ...wanted } = { ...filters(), words: byId(FILTERS.q).value.toLowerCase().split(/\s+/).filter(Boolean) };
    for (let pages = 0; pages < OLDER_PAGES_MAX; pages += 1) {
      const found = all.filter((item) => isWanted(item, { ...wanted, words })).length;
      if (found > shownMax || !(history.hasMore() || alerts.hasMore())) break;
      // Whoever reaches less far back holds the other one up.
      const first = history.horizon() >= alerts.horizon() ? history : alerts;
      await (first.hasMore() ? first : first === history ? alerts : history).older();
      gather();
    }
  } catch {
    say("HQ does not answer; older items could not be loaded. Try again.", true);
  } finally {
    button.disabled = false;
    render();
  }
}

export function start(announce) {
  say = announce;
  list = keyed(byId("items"), itemView);
  readFilters();
  byId("filters").addEventListener("input", keepFilters);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filter-clear").addEventListener("click", () => {
    byId("filters").reset();
    keepFilters();
    byId(FILTERS.cluster).focus();
  });
  byId("older").addEventListener("click", showOlder);
  window.addEventListener("hashchange", () => {
    readFilters();
    render();
  });
}

/** Open incidents are all here, however old: they are asked for on their own. */
async function refreshOpen() {
  const page = await api.incidents(null, "open");
  const open = new Set(page.rows.map((row) => row.id));
  return () => {
    for (const row of page.rows) if (!alerts.rows.has(row.id)) alerts.rows.set(row.id, row);
    for (const row of alerts.rows.values()) if (row.isOpen && page.next === null && !open.has(row.id)) row.isOpen = false;
  };
}

export async function refresh() {
  const [settle] = await Promise.all([refreshOpen(), history.refresh(), alerts.refresh()]);
  settle();
}

/** Shows what `refresh` brought. The clusters say whether a change that has begun is still under way. */
export function update(answer) {
  leaseMs = answer.leaseMs;
  stateOf = new Map(answer.clusters.map((cluster) => [cluster.name, cluster]));
  offerClusters([...stateOf.keys()]);
  gather();
  render();
}

export function tick() {
  for (const view of list.views.values()) view.tick();
}
