// The dialog that asks before a primary hands over.

import * as api from "./api.js";
import { byId, el, show } from "./dom.js";
import { duration } from "./words.js";

let cluster = null;
let opener = null;
let isAsked = false;
let say = () => {};

/** Why a POP cannot follow; `null` if it can. */
function unfit(pop) {
  if (pop.lastSeenMs === null) return "never seen";
  if (pop.isLost) return `away for ${duration(pop.lastSeenMs)}`;
  if (!pop.isReady) return "not ready: it has yet to hear its peers";
  if (!pop.isPromotable) return "not a member yet";
  return null;
}

function choice(value, title, words, isFit, isChosen) {
  const input = el("input", { type: "radio", name: "to", value, checked: isChosen, disabled: !isFit });
  return el("label", { class: "choice" }, input, el("span", {}, el("b", {}, title), el("span", { class: "hint" }, words)));
}

function fill() {
  const others = cluster.pops.filter((pop) => pop.id !== cluster.primary);
  const fit = others.filter((pop) => unfit(pop) === null);
  const rows = others.map((pop) => {
    const why = unfit(pop);
    const lag = pop.behind === null ? "ready" : pop.behind > 0 ? `${pop.behind.toLocaleString("en-GB")} changes behind` : "in step";
    return choice(pop.id, pop.id, [pop.region, why ?? lag].filter(Boolean).join(" · "), why === null, false);
  });
  byId("switchover-pops").replaceChildren(choice("", "Whoever holds most", "HQ decides at that moment", fit.length > 0, fit.length > 0), ...rows);
  byId("switchover-go").disabled = fit.length === 0 || !cluster.primary;
  if (!cluster.primary) show(byId("switchover-said"), "There is no primary that could hand over. HQ promotes one as soon as it may.");
  else if (fit.length === 0) show(byId("switchover-said"), "Nobody can take over now. Bring another POP of this cluster back first.");
  else show(byId("switchover-said"), "");
}

export function open(chosen, from) {
  if (isAsked) return byId("switchover").showModal();
  cluster = chosen;
  opener = from;
  show(byId("switchover-title"), `Switch over ${cluster.name}`);
  show(byId("switchover-words"), `${cluster.primary ?? "The primary"} hands its writes over to another POP. Writes pause for about a quarter of a second; none is lost. ` +
    "If the other POP cannot be brought up to date within 30 seconds, everything stays as it is.");
  show(byId("switchover-cancel"), "Cancel");
  byId("switchover-choice").disabled = false;
  byId("switchover-go").hidden = false;
  fill();
  byId("switchover").showModal();
}

function ended(words, isDone) {
  isAsked = false;
  show(byId("switchover-said"), words);
  byId("switchover-said").dataset.tone = isDone ? "ok" : "bad";
  byId("switchover-choice").disabled = isDone;
  byId("switchover-go").disabled = false;
  byId("switchover-go").hidden = isDone;
  show(byId("switchover-cancel"), "Close");
  if (byId("switchover").open) byId("switchover-cancel").focus();
  else say(words, !isDone);
}

async function go(event) {
  event.preventDefault();
  const to = new FormData(byId("switchover-form")).get("to") || null;
  isAsked = true;
  byId("switchover-go").disabled = true;
  byId("switchover-choice").disabled = true;
  delete byId("switchover-said").dataset.tone;
  show(byId("switchover-said"), "Handing over …");
  show(byId("switchover-cancel"), "Close");
  try {
    const epoch = await api.switchOver(cluster.name, to);
    ended(epoch ? `${epoch.primary} is the primary now, in epoch ${epoch.number}.` : "Done.", true);
  } catch (error) {
    byId("switchover-choice").disabled = false;
    if (error instanceof api.Refused) ended(`Not switched over: ${error.message}`, false);
    else ended("HQ did not answer in time. Look at the cluster before you try again: it may have switched over.", false);
  }
}

export function start(announce) {
  say = announce;
  byId("switchover-form").addEventListener("submit", go);
  byId("switchover-cancel").addEventListener("click", () => byId("switchover").close());
  byId("switchover").addEventListener("close", () => opener?.focus());
}
