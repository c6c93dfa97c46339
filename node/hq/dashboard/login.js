const form = document.getElementById("login");
const token = document.getElementById("token");
const said = document.getElementById("said");
const enter = document.getElementById("enter");

function refuse(words) {
  said.textContent = words;
  token.setAttribute("aria-invalid", "true");
  token.select();
}

async function logIn() {
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: token.value.trim() }),
    signal: AbortSignal.timeout(10_000),
  });
  if (answer.ok) return location.replace("/" + location.hash);
  if (answer.status === 401 || answer.status === 403) {
    return refuse("This is not the admin token of this HQ. Copy the whole line of admin.token and try again.");
  }
  if (answer.status === 429) return refuse("Too many wrong tokens. Wait a minute and try again.");
  refuse(`HQ could not check the token (${answer.status}). Its log says why.`);
}

if (sessionStorage.getItem("ended")) {
  sessionStorage.removeItem("ended");
  said.textContent = "The session has ended: 12 hours have passed, or HQ has started again. Log in once more.";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  token.removeAttribute("aria-invalid");
  enter.disabled = true;
  try {
    await logIn();
  } catch {
    refuse("HQ does not answer. Is clavitor hq serve running, and is this still its address?");
  } finally {
    enter.disabled = false;
  }
});
