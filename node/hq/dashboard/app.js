// The page: asks HQ again and again, says when something changes, and says when HQ is away.

import * as api from "./api.js";
import { byId, mark, reshape, show } from "./dom.js";
import * as overview from "./overview.js";
import * as switchover from "./switchover.js";
import * as timeline from "./timeline.js";
import { clock, count, duration, timeOfDay } from "./words.js";

const REFRESH_MS = 2_000;
const HIDDEN_REFRESH_MS = 15_000;
const CHANGE_MS = 250;
/** HQ works for every answer: where there is much to say, a change is asked for less soon. */
const MANY_POPS = 100;
const MANY_CHANGE_MS = 1_000;
const TICK_MS = 250;
const STREAM_AGAIN_MS = 5_000;
/** HQ is not called away before it failed to answer for so long: one lost answer is nothing. */
const LOST_MS = 3_000;
const CLOCK_DIFFERS_MS = 5_000;
const SPOKEN_MAX = 4;

const link = { isLive: false, answeredAt: null, failingSince: null, error: null };
let isUnderWay = false;
let isWanted = false;
let timer = null;
let askedAt = 0;
let cost = 0;
let pops = 0;

// ---- Saying things

function announce(words, isUrgent = false) {
  byId("announcer").setAttribute("aria-live", isUrgent ? "assertive" : "polite");
  byId("announcer").textContent = words;
}

let before = null;
function speakChanges() {
  const now = overview.spoken();
  if (before) {
    const news = [];
    for (const [name, words] of now) {
      const was = before.get(name);
      if (was !== words && (words || was)) news.push(`${name}: ${words || "is back"}`);
    }
    const rest = news.length - SPOKEN_MAX;
    if (news.length > 0) announce(news.slice(0, SPOKEN_MAX).join(". ") + (rest > 0 ? `. ${count(rest, "more change")}` : ""));
  }
  before = now;
}

// ---- Asking HQ

async function refresh() {
  clearTimeout(timer);
  if (isUnderWay) {
    isWanted = true;
    return;
  }
  isUnderWay = true;
  isWanted = false;
  askedAt = performance.now();
  try {
    const [answer] = await Promise.all([api.overview(), timeline.refresh()]);
    link.answeredAt = clock.now();
    link.failingSince = link.error = null;
    pops = answer.clusters.reduce((sum, cluster) => sum + cluster.pops.length, 0);
    overview.update(answer);
    timeline.update(answer);
    speakChanges();
  } catch (error) {
    link.failingSince ??= Date.now();
    link.error = error;
  }
  cost = performance.now() - askedAt;
  isUnderWay = false;
  showLink();
  if (isWanted) soon();
  else timer = setTimeout(refresh, document.hidden ? HIDDEN_REFRESH_MS : REFRESH_MS);
}

function soon() {
  const wait = Math.max(pops < MANY_POPS ? CHANGE_MS : MANY_CHANGE_MS, 4 * cost) - (performance.now() - askedAt);
  clearTimeout(timer);
  timer = setTimeout(refresh, Math.max(0, document.hidden ? HIDDEN_REFRESH_MS : wait));
}

function listen() {
  const stream = new EventSource("/v1/live");
  stream.addEventListener("open", () => {
    link.isLive = true;
    showLink();
  });
  stream.addEventListener("change", soon);
  stream.addEventListener("error", () => {
    link.isLive = false;
    showLink();
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, STREAM_AGAIN_MS);
  });
}

// ---- The connection

const isLost = () => link.failingSince !== null && Date.now() - link.failingSince >= LOST_MS;

function showLink() {
  const lost = isLost();
  const look = lost ? { tone: "bad", form: "cross" } : link.answeredAt === null ? { tone: "busy", form: "half" }
    : link.isLive ? { tone: "ok", form: "disc" } : { tone: "ok", form: "ring" };
  reshape(byId("link").firstElementChild, look);
  show(byId("link-words"), lost ? "HQ is away" : link.answeredAt === null ? "Connecting" : link.isLive ? "Live" : "Every 2 s");
  mark(byId("link"), "title", link.isLive ? "HQ says at once when something changes" : "Asked every 2 seconds");
  mark(document.body, "data-stale", lost);
  mark(byId("lost"), "hidden", !lost);
  if (!lost) return;
  const refused = link.error instanceof api.Refused;
  show(byId("lost-title"), refused ? "HQ answers with an error." : "HQ does not answer.");
  const since = link.answeredAt === null ? "Nothing was heard yet." : `What you see is from ${timeOfDay(link.answeredAt)}.`;
  const advice = refused ? `It says: ${link.error.message} Its log says more.`
    : "Is clavitor hq serve running, and can this computer reach it? Clusters whose POPs all hear each other go on taking writes.";
  show(byId("lost-words"), `${since} ${advice}`);
}

function foot() {
  const ahead = Math.abs(clock.ahead) >= CLOCK_DIFFERS_MS
    ? ` This computer's clock is ${duration(Math.abs(clock.ahead))} ${clock.ahead > 0 ? "behind" : "ahead of"} it.` : "";
  show(byId("foot"), link.answeredAt === null ? "" : `Ages go by HQ's clock, times of day by this computer's time zone.${ahead}`);
}

// ---- The page

function jumps() {
  for (const anchor of document.querySelectorAll("[data-jump]")) {
    anchor.addEventListener("click", (event) => {
      // The address keeps the filters.
      event.preventDefault();
      overview.jump(byId(anchor.dataset.jump));
    });
  }
}

async function leave() {
  try {
    await api.logOut();
    location.replace("/login");
  } catch (error) {
    if (error.status !== 401) announce("HQ does not answer; you are still logged in.", true);
  }
}

overview.start(switchover.open);
timeline.start(announce);
switchover.start(announce);
jumps();
byId("logout").addEventListener("click", leave);
byId("lost-retry").addEventListener("click", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(() => {
  if (document.hidden || link.answeredAt === null) return showLink();
  overview.tick(isLost());
  timeline.tick();
  showLink();
  foot();
}, TICK_MS);
listen();
refresh();
