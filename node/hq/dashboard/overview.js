// The clusters and their POPs.

import { byId, el, keyed, mark, reshape, shape, show } from "./dom.js";
import { ago, clock, clockOffset, clusterState, count, duration, popState } from "./words.js";

/** From this many clusters on, those that are well start folded, and there is a board of all. */
const MANY = 5;
const CLOCK_OFF_MS = 60_000;
const DOTS_MAX = 40;

let data = { at: 0, leaseMs: 6_000, clusters: [] };
let isStale = false;
const folds = new Map();

const isFine = (tone) => tone === "ok" || tone === "none";

/** What is wrong with a POP, in sentences; empty if nothing is. */
function popTrouble(pop) {
  const lines = pop.why ? [sentence(pop.why)] : [];
  if (pop.lastSeenMs === null) {
    lines.push("It has a token, and has never renewed. Start it with --hq and --hq-token-file.");
  } else if (pop.isLost) {
    if (!pop.why) lines.push(`It has not renewed for ${duration(pop.lastSeenMs)}.`);
    lines.push("Is its process running, and can it reach HQ?");
  } else if (!pop.isReady && !pop.why) {
    lines.push("Its data is an import that has yet to hear its peers; it cannot be promoted before.");
  }
  if (Math.abs(pop.clockAheadMs ?? 0) >= CLOCK_OFF_MS) lines.push("Set its clock: beyond 5 minutes peers refuse it.");
  return lines.join(" ");
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

/** State, worst trouble and counts of a cluster, worked out once per answer. */
function judge(cluster) {
  const state = clusterState(cluster);
  const pops = cluster.pops.map((pop) => {
    const trouble = popTrouble(pop);
    const seen = popState(pop, cluster);
    if (trouble && seen.tone === "ok") Object.assign(seen, { tone: "warn", form: "triangle" });
    return { pop, trouble, state: seen };
  });
  const sick = pops.filter((item) => !isFine(item.state.tone)).length;
  const isWorse = state.tone === "ok" && sick > 0;
  const look = isWorse ? { tone: "warn", form: "triangle" } : state;
  return { cluster, state, look, pops, sick, needsLook: !isFine(look.tone) };
}

const leaseLeft = (ms) => Math.max(0, ms - (performance.now() - data.at));

/** A bar that empties as the lease runs out, and how long it still lasts in words. */
function leaseBar() {
  const fill = el("span", { class: "lease-fill" });
  const words = el("span", { class: "lease-words" });
  const bar = el("span", { class: "lease-bar", "aria-hidden": "true" }, fill);
  const tick = (leaseMs, votedMs, isShort) => {
    const isCarried = leaseMs <= 0 && votedMs > 0;
    const left = isStale ? 0 : leaseLeft(isCarried ? votedMs : leaseMs);
    const kind = isStale ? "unknown" : left <= 0 ? "over" : isCarried ? "carried" : left < data.leaseMs / 2 ? "late" : "held";
    mark(bar, "data-lease", kind);
    const part = Math.min(1, left / data.leaseMs).toFixed(3);
    if (fill.part !== part) fill.style.setProperty("--part", (fill.part = part));
    const time = `${(left / 1_000).toFixed(1)} s`;
    const said = { unknown: "unknown", over: "none", carried: `${time} by votes`, late: time, held: time };
    show(words, isShort ? said[kind] : kind === "held" || kind === "late" ? `${time} left` : said[kind]);
  };
  return { bar, words, tick };
}

function fact(name, ...values) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, ...values));
}

function popRow() {
  const dot = shape("none", "dash");
  const part = (kind, label) => {
    const first = el("span", { class: "first" });
    const second = el("span", { class: "second" });
    return { first, second, cell: el("td", { role: "cell", class: kind, "data-label": label }, first, second) };
  };
  const name = el("span", { class: "first" });
  const place = el("span", { class: "second" });
  const role = part("role", "Role");
  const stock = part("stock", "Data");
  const seen = part("seen", "Last seen");
  const tarpit = part("tarpit", "Tarpit");
  const runs = part("runs", "Runs");
  const roleWords = el("span");
  role.first.append(dot, roleWords);
  const whyWords = el("span");
  const why = el("tr", { role: "row", class: "why", hidden: true },
    el("td", { role: "cell", colspan: "6" }, el("b", {}, "Why: "), whyWords));
  const row = el("tr", { role: "row" },
    el("th", { role: "rowheader", scope: "row", class: "name" }, name, place),
    role.cell, stock.cell, seen.cell, tarpit.cell, runs.cell);
  let shown = null;
  const tick = () => {
    const { pop } = shown;
    const lastSeen = pop.lastSeenMs === null ? null : clock.now() - pop.lastSeenMs - (performance.now() - data.at);
    show(seen.first, lastSeen === null ? "never" : ago(lastSeen));
    const epoch = pop.epoch ? `epoch ${pop.epoch.number}` : "no epoch";
    const lease = isStale || pop.leaseMsLeft <= 0 ? "" : ` · lease ${(leaseLeft(pop.leaseMsLeft) / 1_000).toFixed(1)} s`;
    show(role.second, epoch + lease + (pop.votedMs > 0 ? " · votes" : ""));
  };
  const update = (item) => {
    shown = item;
    const { pop, state, trouble } = item;
    show(name, pop.id);
    show(place, [pop.region, pop.addresses[0] ?? pop.url].filter(Boolean).join(" · "));
    mark(name.parentElement, "title", pop.url);
    reshape(dot, state);
    show(roleWords, state.words);
    const isDirty = pop.dirty > 0 || pop.isDirtyOrMore;
    const lag = [isDirty ? `${pop.dirty.toLocaleString("en-GB")}${pop.isDirtyOrMore ? "+" : ""} dirty` : "", pop.behind > 0 ? `${pop.behind.toLocaleString("en-GB")} behind` : ""];
    show(stock.first, pop.dirty === null ? "–" : lag.filter(Boolean).join(", ") || "in step");
    const oldest = pop.dirty > 0 && pop.oldestDirtyMs !== null ? `oldest ${duration(pop.oldestDirtyMs)}` : "";
    show(stock.second, oldest || (pop.entries === null ? "" : count(pop.entries, "entry", "entries")));
    show(seen.second, pop.clockAheadMs === null ? "" : `clock ${clockOffset(pop.clockAheadMs)}`);
    mark(seen.second, "data-tone", Math.abs(pop.clockAheadMs ?? 0) >= CLOCK_OFF_MS && "warn");
    show(tarpit.first, pop.tarpitHeld > 0 ? `${pop.tarpitHeld.toLocaleString("en-GB")} held` : "–");
    mark(tarpit.cell, "data-none", pop.tarpitHeld === 0);
    show(runs.first, [pop.version, pop.runtime].filter(Boolean).join(" ") || "–");
    show(runs.second, pop.uptimeS === null ? "" : `up ${duration(pop.uptimeS * 1_000)}`);
    show(whyWords, trouble);
    mark(why, "hidden", !trouble);
    tick();
  };
  return { node: el("tbody", { role: "rowgroup" }, row, why), update, tick };
}

function clusterView(onSwitchover) {
  return (key) => {
    const id = `cluster-${key}`;
    const dot = shape("none", "dash");
    const name = el("span", { class: "cluster-name" });
    const fold = el("button", { type: "button", class: "fold", "aria-controls": `${id}-pops` }, dot, name);
    const state = el("p", { class: "cluster-state", id: `${id}-state` });
    const dots = el("span", { class: "dots", "aria-hidden": "true" });
    const tally = el("span", { class: "tally" });
    const act = el("button", { type: "button", class: "act", "aria-describedby": `${id}-state` }, "Switch over …");
    const epoch = el("span", { class: "mono" });
    const lease = leaseBar();
    const dns = el("span", { class: "mono dns" });
    const why = el("p", { class: "cluster-why", hidden: true });
    const head = ["POP", "Role", "Data", "Last seen", "Tarpit", "Runs"];
    const table = el("table", { role: "table", id: `${id}-pops` },
      el("caption", { class: "quiet" }, `POPs of ${key}`),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
        ...head.map((title) => el("th", { role: "columnheader", scope: "col" }, title)))));
    const node = el("article", { class: "cluster", id, "aria-label": `Cluster ${key}` },
      el("header", {}, el("h3", {}, fold), state, el("p", { class: "members" }, dots, tally), act),
      el("dl", { class: "facts" }, fact("Epoch", epoch), fact("Lease", lease.bar, lease.words), fact("DNS", dns)),
      why, table);
    const rows = keyed(table, popRow, 2);
    const marks = keyed(dots, () => {
      const node = shape("none", "dash");
      return { node, update: ({ state }) => reshape(node, state) };
    });
    let shown = null;
    let isOpen = true;
    const voted = () => Math.max(0, ...shown.cluster.pops.map((pop) => pop.votedMs));
    const tick = () => {
      lease.tick(shown.cluster.leaseMsLeft, voted(), false);
      if (isOpen) for (const view of rows.views.values()) view.tick?.();
    };
    const update = (item) => {
      shown = item;
      const { cluster } = item;
      isOpen = folds.get(key) ?? (data.clusters.length < MANY || item.needsLook);
      mark(node, "data-open", isOpen);
      mark(node, "data-tone", item.state.tone);
      mark(fold, "aria-expanded", isOpen);
      reshape(dot, item.look);
      show(name, cluster.name);
      show(state, item.state.words);
      mark(tally, "data-tone", item.sick > 0 && "warn");
      show(tally, [count(cluster.pops.length, "POP"), item.sick > 0 ? `${item.sick} to look at` : ""].filter(Boolean).join(", "));
      mark(act, "hidden", cluster.pops.length < 2);
      mark(act, "aria-label", `Switch over ${cluster.name}`);
      show(epoch, cluster.epoch ? String(cluster.epoch.number) : "none");
      show(dns, [cluster.dnsName, cluster.addresses.join(", ") || "no address"].filter(Boolean).join(" → "));
      show(why, cluster.why ? sentence(cluster.why) : "");
      mark(why, "hidden", !cluster.why);
      mark(table, "hidden", !isOpen);
      if (isOpen) rows.sync(item.pops, ({ pop }) => pop.id);
      marks.sync(item.pops.slice(0, DOTS_MAX), ({ pop }) => pop.id);
      tick();
    };
    fold.addEventListener("click", () => {
      folds.set(key, !isOpen);
      update(shown);
      tellUnfold();
    });
    act.addEventListener("click", () => onSwitchover(shown.cluster, act));
    return { node, update, tick };
  };
}

function tile(key) {
  const dot = shape("none", "dash");
  const lease = leaseBar();
  const words = el("span", { class: "quiet" });
  const open = () => {
    folds.set(key, true);
    render();
    jump(byId(`cluster-${key}`)?.querySelector(".fold"));
  };
  const button = el("button", { type: "button", onclick: open }, dot, el("span", { class: "tile-name" }, key), words, lease.bar);
  let shown = null;
  const tick = () => lease.tick(shown.cluster.leaseMsLeft, 0, true);
  const update = (item) => {
    shown = item;
    reshape(dot, item.look);
    mark(button, "data-tone", item.look.tone);
    const said = item.state.words + (item.sick > 0 ? `, ${count(item.sick, "POP")} to look at` : "");
    mark(button, "title", said);
    show(words, `: ${said}`);
    tick();
  };
  return { node: el("li", {}, button), update, tick };
}

/** Scrolls to something and puts the focus there. */
export function jump(target) {
  if (!target) return;
  target.scrollIntoView({ block: "start" });
  target.focus({ preventScroll: true });
}

let clusters = null;
let board = null;
let judged = [];

function isFound(item, words) {
  const text = [item.cluster.name, ...item.cluster.pops.flatMap((pop) => [pop.id, pop.region, pop.url])].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function tellUnfold() {
  const isAllOpen = judged.every(({ cluster, needsLook }) => folds.get(cluster.name) ?? needsLook);
  show(byId("unfold"), isAllOpen ? "Close all" : "Open all");
}

function emptyState() {
  return el("div", { class: "empty" },
    el("p", {}, el("b", {}, "No cluster yet.")),
    el("p", {}, "Give the first POP its token, on this host:"),
    el("pre", { tabindex: "0", "aria-label": "Command" }, el("code", {}, "clavitor hq pop add eu-1 --cluster eu > eu-1.token")),
    el("p", {}, "Then start that POP with ", el("code", {}, "--hq"), " and ", el("code", {}, "--hq-token-file eu-1.token"),
      ". It appears here as soon as it renews."));
}

function render() {
  const list = byId("cluster-list");
  const isMany = data.clusters.length >= MANY;
  mark(byId("overview-tools"), "hidden", !isMany);
  mark(byId("board"), "hidden", !isMany);
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = isMany ? judged.filter((item) => isFound(item, words)) : judged;
  list.querySelectorAll(":scope > .empty").forEach((node) => node.remove());
  clusters.sync(shown, ({ cluster }) => cluster.name);
  board.sync(isMany ? judged : [], ({ cluster }) => cluster.name);
  if (data.clusters.length === 0) list.append(emptyState());
  else if (shown.length === 0) list.append(el("p", { class: "empty" }, "No cluster or POP has all of these words."));
  tellUnfold();
  const sick = judged.filter(({ needsLook }) => needsLook).length;
  const pops = judged.reduce((sum, { pops }) => sum + pops.length, 0);
  const verdict = sick === 0 ? "all well" : `${sick} ${sick === 1 ? "needs" : "need"} a look`;
  show(byId("summary"), data.clusters.length === 0 ? "" : `${count(data.clusters.length, "cluster")}, ${count(pops, "POP")}: ${verdict}`);
  document.title = (sick > 0 ? `(${sick}) ` : "") + "Clavitor HQ";
}

/** What a screen reader is told when it changes, by name. */
export function spoken() {
  return new Map(judged.flatMap(({ cluster, state, pops }) => [
    [cluster.name, state.words],
    ...pops.map(({ pop, state }) => [`${pop.id} of ${cluster.name}`, state.tone === "bad" ? state.words : ""]),
  ]));
}

export function start(onSwitchover) {
  clusters = keyed(byId("cluster-list"), clusterView(onSwitchover));
  board = keyed(byId("board"), tile);
  byId("find").addEventListener("input", render);
  byId("unfold").addEventListener("click", () => {
    const isOpen = byId("unfold").shown === "Open all";
    for (const { cluster } of judged) folds.set(cluster.name, isOpen);
    render();
  });
}

export function update(answer) {
  data = answer;
  data.clusters.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  judged = data.clusters.map(judge);
  render();
}

/** Ages and leases as they are now. `stale` is that HQ has not answered for a while. */
export function tick(stale) {
  isStale = stale;
  for (const view of [...clusters.views.values(), ...board.views.values()]) view.tick();
}
