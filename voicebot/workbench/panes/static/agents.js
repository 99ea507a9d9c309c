const LIMIT = 64;
const STATES = { initializing: "getting ready", idle: "idle", listening: "listening", thinking: "thinking", speaking: "speaking" };

function face(row) {
  if (row.portrait.startsWith("data:image/")) {
    return element("img", "vb-face", null, { src: row.portrait, alt: "" });
  }
  return element("span", "vb-face", [...row.name][0]?.toUpperCase() ?? "?", { "aria-hidden": "true" });
}

function card(row, remove) {
  const made = element("li", `vb-card vb-c${row.colour}`);
  made.dataset.participant = row.id;
  made.dataset.state = row.state ?? "";
  const words = element("div", "vb-words");
  const head = element("div", "vb-head");
  head.append(element("b", "vb-name", row.name));
  if (row.kind === "agent") {
    head.append(element("span", `vb-state vb-state-${row.state ?? "idle"}`, STATES[row.state] ?? row.state ?? "idle"));
  } else {
    const state = row.presence === "reconnecting" ? "reconnecting" : row.muted ? "muted" : "in the lobby";
    head.append(element("span", "vb-state", state));
  }
  words.append(head);
  if (row.character) words.append(element("div", "vb-character", row.character, { title: row.character }));
  if (row.notice) words.append(element("div", "vb-notice", row.notice));
  made.append(face(row), words);
  if (row.kind === "agent") {
    const button = element("button", "", "Remove", { type: "button", "aria-label": `Remove ${row.name}` });
    button.addEventListener("click", () => {
      button.disabled = true;
      remove(row.id);
    });
    made.append(button);
  }
  return made;
}

function render({ model, el }) {
  const root = element("section", "vb vb-agents", null, { "aria-label": "In the lobby" });
  const title = element("div", "vb-title", "In the lobby");
  const empty = element("div", "vb-empty", "Nobody yet. Add an agent below, or open the lobby.");
  const list = element("ul", "vb-cards");
  root.append(title, empty, list);
  el.append(root);
  const cards = new Map();
  const remove = (id) => model.send({ type: "remove", id });
  const feed = connectFeed(model, {
    limit: LIMIT,
    cleared: () => {
      cards.clear();
      list.replaceChildren();
    },
    changed: (id, row) => {
      const old = cards.get(id);
      if (row === null) {
        old?.remove();
        cards.delete(id);
      } else {
        const made = card(row, remove);
        if (old) old.replaceWith(made);
        else list.append(made);
        cards.set(id, made);
      }
      empty.hidden = cards.size > 0;
    },
  });
  return () => feed.close();
}

export default { render };
