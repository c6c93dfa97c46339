// A failover or switchover is many events; here they become one story with its steps.

import { duration, eventWords } from "./words.js";

/** A story that hears nothing for so long is over, whatever it came to. */
const SILENT_MS = 60_000;

const BEGINS = new Set(["lease_expired", "hand_over_began", "promotion_ordered"]);
const BELONGS = new Set([...BEGINS, "promotion_failed", "primary_changed", "dns_moved", "hand_over_failed"]);

/** HQ says that a POP is lost a lease after its last renewal, and the margin before its lease is over. */
const LOST_BEFORE_MS = 5_000;

/** Splits events into stories and the rest. `clusters` maps a name to what HQ says of it now. */
export function stories(events, clusters, leaseMs) {
  const rest = [];
  const open = new Map();
  const leaders = new Map();
  const told = [];
  const inOrder = [...events].sort((a, b) => a.at - b.at || a.id.localeCompare(b.id, "en", { numeric: true }));
  for (const event of inOrder) {
    let story = open.get(event.cluster);
    if (story && (event.at - story.last > SILENT_MS || isNewStory(story, event))) story = undefined;
    if (!story && BEGINS.has(event.type)) {
      const lost = event.type === "lease_expired" ? takeLoss(rest, event) : [];
      told.push((story = { id: event.id, cluster: event.cluster, from: leaders.get(event.cluster), events: lost, last: 0 }));
    }
    if (event.type === "primary_changed") leaders.set(event.cluster, event.epoch?.primary);
    const isLoss = story && event.type === "pop_lost" && event.pop === primaryBefore(story);
    if (!story || !(BELONGS.has(event.type) || isLoss)) {
      rest.push(event);
      continue;
    }
    story.events.push(event);
    story.last = event.at;
    story.isDone ||= event.type === "primary_changed" || event.type === "hand_over_failed";
    open.set(event.cluster, story);
    if (event.type === "dns_moved" || event.type === "hand_over_failed") open.delete(event.cluster);
  }
  return { told: told.map((story) => tell(story, clusters.get(story.cluster), leaseMs)), rest };
}

/** The loss of the primary whose lease is over then, taken from the rest. */
function takeLoss(rest, { cluster, pop, epoch, at }) {
  const is = (event) => event.type === "pop_lost" && event.cluster === cluster && event.pop === (epoch?.primary ?? pop);
  const index = rest.findLastIndex((event) => is(event) && at - event.at < LOST_BEFORE_MS);
  return index < 0 ? [] : rest.splice(index, 1);
}

const isNewStory = (story, event) => story.isDone && BEGINS.has(event.type);

const find = (story, type) => story.events.find((event) => event.type === type);

function primaryBefore(story) {
  const expired = find(story, "lease_expired");
  return expired?.epoch?.primary ?? expired?.pop ?? story.from ?? null;
}

function tell(story, cluster, leaseMs) {
  const first = story.events[0];
  const isPlanned = first.type === "hand_over_began";
  const isFromRenewal = first.type === "pop_lost";
  const began = isFromRenewal ? first.at - leaseMs : first.at;
  const changed = find(story, "primary_changed");
  const kept = find(story, "hand_over_failed");
  const to = (changed ?? story.events.findLast((event) => event.type === "promotion_ordered"))?.epoch?.primary ?? (isPlanned ? first.pop : null);
  const from = primaryBefore(story);
  const total = story.last - began;
  const isOver = changed || kept || (cluster && cluster.state === "led" && cluster.primary !== to);
  const steps = story.events.map((event, index) => ({
    words: eventWords(event), at: event.at, from: (story.events[index - 1]?.at ?? began) - began, to: event.at - began,
  }));
  if (isFromRenewal) steps.unshift({ words: `Last renewal of ${first.pop}`, at: began, from: 0, to: 0 });
  const names = from ? `${from} → ${to ?? "?"}` : `to ${to ?? "whoever holds most"}`;
  const kind = isPlanned ? "Switchover" : find(story, "lease_expired") ? "Failover" : "Promotion";
  const base = { id: story.id, cluster: story.cluster, at: story.last, began, from, to, steps, total, isOpen: !isOver };
  if (changed) {
    const epoch = changed.epoch ? `epoch ${changed.epoch.number}, ` : "";
    const since = isFromRenewal ? "after the last renewal"
      : { Switchover: "after it was asked for", Failover: "after the lease was over", Promotion: "after it was ordered" }[kind];
    return { ...base, title: `${kind} ${names}`, body: `${epoch}${duration(total)} ${since}`, look: { tone: kind === "Failover" ? "change" : "ok", form: "disc" } };
  }
  if (kept) return { ...base, title: `${kind} ${names} not done`, body: steps.at(-1).words, look: { tone: "warn", form: "triangle" } };
  if (isOver) return { ...base, title: `${kind} begun, nobody promoted`, body: `${cluster.primary} renewed again`, look: { tone: "warn", form: "triangle" } };
  return { ...base, title: `${kind} under way`, body: steps.at(-1).words, look: { tone: "busy", form: "half" } };
}
