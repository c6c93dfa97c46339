// What numbers, states and events are called.

/** HQ's clock minus this one, in milliseconds: every age is told by HQ's clock. */
export const clock = { ahead: 0, now: () => Date.now() + clock.ahead };

export function duration(ms) {
  const size = Math.abs(ms);
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  if (size < 99_500) return `${Math.round(ms / 1_000)} s`;
  if (size < 90 * 60_000) return `${Math.round(ms / 60_000)} min`;
  if (size < 36 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

export function ago(at) {
  const ms = clock.now() - at;
  if (ms < 2_000) return "just now";
  return ms < 60_000 ? `${Math.floor(ms / 1_000)} s ago` : `${duration(ms)} ago`;
}

const timeFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "long", year: "numeric" });
const fullFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

export const timeOfDay = (at) => timeFormat.format(at);
export const fullTime = (at) => fullFormat.format(at);

export function dayName(at) {
  const day = dayFormat.format(at);
  if (day === dayFormat.format(clock.now())) return "Today";
  if (day === dayFormat.format(clock.now() - 86_400_000)) return "Yesterday";
  return day;
}

export const count = (n, one, many = one + "s") => `${n.toLocaleString("en-GB")} ${n === 1 ? one : many}`;

const signed = (ms) => (ms > 0 ? "+" : ms < 0 ? "−" : "±") + duration(Math.abs(ms));
export const clockOffset = (ms) => (ms === null ? "" : signed(ms));

const OK = { tone: "ok", form: "disc" };
const BUSY = { tone: "busy", form: "half" };
const WARN = { tone: "warn", form: "triangle" };
const BAD = { tone: "bad", form: "cross" };
const NONE = { tone: "none", form: "dash" };

/** What a cluster's state is called and looks like; a state that is not known here is shown as it came. */
export function clusterState(cluster) {
  const primary = cluster.primary ?? "nobody";
  const ordered = cluster.epoch?.primary ?? "somebody else";
  switch (cluster.state) {
    case "led": return { ...OK, words: `Led by ${primary}` };
    case "carried": return { ...WARN, words: `${primary} is carried on by lease votes; HQ does not hear it` };
    case "handing_over": return { ...BUSY, words: `${primary} is handing over to ${cluster.handOverTo ?? "another POP"}` };
    case "expired": return { ...BAD, words: `The lease of ${primary} is over; choosing who follows` };
    case "promoting": return { ...BUSY, words: `Promoting ${ordered}` };
    case "holding": return { ...BUSY, words: "HQ has just started and waits for one lease" };
    case "leaderless": return { ...BAD, words: "Nobody takes writes" };
    case "empty": return { ...NONE, words: "No POP has renewed yet" };
    default: return { ...NONE, words: String(cluster.state ?? "State unknown").replaceAll("_", " ") };
  }
}

/** What a POP of a cluster is at the moment. */
export function popState(pop, cluster) {
  const role = pop.role === "primary" ? "Primary" : pop.role === "backup" ? "Backup" : String(pop.role ?? "No role");
  if (pop.lastSeenMs === null) return { ...NONE, words: "Never seen" };
  if (pop.isLost && pop.role === "primary" && cluster.state === "carried") return { ...WARN, words: "Primary, by votes" };
  if (pop.isLost) return { ...BAD, words: `${role}, away` };
  if (pop.role === "primary") {
    return pop.leaseMsLeft > 0 ? { ...OK, words: role } : { ...WARN, words: "Primary, no lease" };
  }
  if (!pop.isReady) return { ...WARN, words: `${role}, not ready` };
  if (pop.why) return { ...WARN, form: "triangle", words: role };
  return { tone: "ok", form: "ring", words: pop.isMember ? role : `${role}, not a member` };
}

const KEPT_BACK = {
  too_far_behind: "the other one could not be brought up to date in time",
  not_drained: "the other one did not confirm the last writes in time",
  not_a_peer: "the other one is no peer of it",
};

/** An event in a sentence. */
export function eventWords(event) {
  const pop = event.pop ?? event.epoch?.primary ?? "a POP";
  const number = event.epoch ? ` (epoch ${event.epoch.number})` : "";
  switch (event.type) {
    case "registered": return `${pop} was given a token`;
    case "removed": return `${pop} was removed`;
    case "pop_seen": return `${pop} renews`;
    case "pop_lost": return `${pop} has stopped renewing`;
    case "lease_expired": return `Lease of ${pop} over, margin included`;
    case "carried": return `${pop} does not renew; lease votes carry it on`;
    case "promotion_ordered": return `${pop} ordered to take over${number}`;
    case "promotion_failed": return `${pop} did not accept in time`;
    case "primary_changed": return `${pop} has the lease${number}; DNS names it`;
    case "dns_moved": return `DNS names ${pop}`;
    case "hand_over_began": return `Primary asked to bring ${pop} up to date and hand over`;
    case "hand_over_failed": return `Primary kept its lease: ${KEPT_BACK[event.why] ?? event.why ?? "it could not hand over"}`;
    case "member_added": return `${pop} may now follow as primary`;
    case "member_removed": return `${pop} may not follow as primary any longer`;
    case "duplicate": return `Two processes or data directories are alive as ${pop}`;
    case "overruled": return `${pop} claimed an epoch that HQ had not given; a newer one ends it${number}`;
    default: return [String(event.type).replaceAll("_", " "), event.pop].filter(Boolean).join(" ");
  }
}

export function eventKind(type) {
  return /^(pop_|member_|registered|removed|duplicate)/.test(type) ? "member" : "change";
}

export function eventShape(type) {
  switch (type) {
    case "pop_lost": return BAD;
    case "pop_seen": case "member_added": return { tone: "ok", form: "ring" };
    case "carried": case "duplicate": case "overruled": case "hand_over_failed": return WARN;
    case "primary_changed": return OK;
    default: return NONE;
  }
}
