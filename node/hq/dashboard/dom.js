// Building and changing the page. Text from outside only ever becomes a text node.

export const byId = (id) => document.getElementById(id);

/** A new element: attributes by name, `on…` as listeners, children as nodes or text. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text, and touches the page only if it is another one. */
export function show(node, text) {
  if (node.shown === text) return;
  node.shown = text;
  node.textContent = text;
}

/** Sets or removes an attribute, and touches the page only if it changes. */
export function mark(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, String(value));
  }
}

/** A shape that goes with words; it never stands for them. */
export function shape(tone, form) {
  return el("i", { class: "mark", "data-tone": tone, "data-shape": form, "aria-hidden": "true" });
}

export function reshape(node, { tone, form }) {
  mark(node, "data-tone", tone);
  mark(node, "data-shape", form);
}

/**
 * Keeps the children of `parent` in step with a list. `make(key)` returns `{ node, update(item) }`;
 * a node stays the same for as long as its key is in the list, so focus and open details survive.
 * The first `fixed` children are left alone.
 */
export function keyed(parent, make, fixed = 0) {
  const views = new Map();
  const sync = (items, keyOf) => {
    const wanted = new Set(items.map(keyOf));
    for (const [key, view] of views) {
      if (wanted.has(key)) continue;
      view.node.remove();
      views.delete(key);
    }
    let next = parent.children[fixed] ?? null;
    for (const item of items) {
      const key = keyOf(item);
      let view = views.get(key);
      if (!view) views.set(key, (view = make(key)));
      view.update(item);
      if (view.node === next) next = next.nextElementSibling;
      else parent.insertBefore(view.node, next);
    }
  };
  return { sync, views };
}
